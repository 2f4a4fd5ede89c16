"""The three AMD CA keys of Genoa as facts.

Source: certificates served by AMD's key distribution service, ``/vcek/v1/Genoa/cert_chain`` and
``/vlek/v1/Genoa/cert_chain``. Tests compare every value with those certificates.
"""

from __future__ import annotations

from datetime import UTC, datetime

from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import CaFacts

__all__ = ["ARK_GENOA", "ASK_GENOA", "ASVK_GENOA"]

ARK_GENOA = CaFacts(
    common_name="ARK-Genoa",
    subject=amd_name("ARK-Genoa"),
    serial=0x020000,
    not_before=datetime(2022, 1, 26, 15, 34, 37, tzinfo=UTC),
    not_after=datetime(2047, 1, 26, 15, 34, 37, tzinfo=UTC),
    sha256=bytes.fromhex("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"),
    spki_sha256=bytes.fromhex("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            dc277de52fee14eb9122c916f6fcfd543045ebd343405efda1184bfcbd8f5501
            a12b761d7c4060a45fc98b058506c4ff7d70e1cc0d35a772e4713ffb2dd8dc45
            f2978c797ed10abf338759921e900e851e2b33412c37012830c65a8defdf9372
            af16c0d439e463050a5390009383fde2d2972e9f34a31b7ce1a8721e82e673f2
            eab06b29fa8ab5073e0f3ec60bc131b888c29569a4fdd3fa19e08f2889b4abbb
            ddaf26196a58edbb77f47173789433284d7864e83af831fe2528e201a91bad4d
            0e990452f233b8a71a331f08753a568360c5e92c05d0881531f7e7bed26603af
            01c09356a351383cb25d68f7c189f709a6e045c0d55020f404557dda3fcf4725
            2a7c61b63d972492e8f95512a4c106d6909a2e004c698c47e9f62bf7be240854
            d868fb8c8a4984e91d1fd7e2ad00e79a50364857c9fc27349863735bd466221c
            8e527345a1c966911865dff01053962cf50b1a9f58d3fc48b24fea42a669c0fb
            2f5e76f84309b386f05da8c47191753064ca5ba782b917246622c06ad1f246a2
            aafecd37c42138132a62371bae412bd1ff1030a925212e6bb8e7ea94b302070f
            092c1dcb923a5682d0fb3a9c64cd2b2884de3b5289bce9163a969ef683c7971c
            fd6a62b9ef873686d52ef4bf0e8e91b69a0bd123887fee1e0009406c689fbbb4
            43bc60a1111603f7bb25c050c0b83cd07abfb1b46ea9eb31cfbc01592636e787
        """)
    ),
)

ASK_GENOA = CaFacts(
    common_name="SEV-Genoa",
    subject=amd_name("SEV-Genoa"),
    serial=0x020002,
    not_before=datetime(2022, 10, 31, 13, 33, 48, tzinfo=UTC),
    not_after=datetime(2047, 10, 31, 13, 33, 48, tzinfo=UTC),
    sha256=bytes.fromhex("5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521"),
    spki_sha256=bytes.fromhex("0324d55bcd48ba877a8fd87c0e1b4934dec8448e3807a24384a34dc6a6c9ebb8"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            a07261be4e05c309306f4dc031f2f24972525e611a09931345b2e03da8f8a04c
            da0fdb467f1092c3f9ec0808971d069652dfbe6e76e324ed394ca4f977e09daf
            3e3f7e2441a5b85fd31cef875d4efb025304f8f7b82cc39b8f2f119f25e525cc
            3b8c1dfd0ab0b2b7a314444f0ff1dd7efd66182316eda734ba0f2dac3cea19ef
            a5fa9f0d323a7f12a043636bddf212da54b992f978c0aa561535192c87d693cd
            260bd7dfdc4eb0439aa436cbc936df3365da55baabf06d40ea56195b37116bc1
            1dbfd09dfddfdd2f7e942e07da3743cbdca7ee4ab24d6ab8582067138aa16094
            6892e958b7331933522593867a44f90e4d1d4c27881d16d8fb94a9ab912b8ea0
            9626aa1248b1027ce789406c9c9b814ef3cb3580c2edee6ac96460a5040107f6
            8dae47ca5dc806a3b3a6a637d52a4acdb97c357bde6726d13249707dee220cb2
            36e53f64bbd0957ad0d889f09b7467ae1dd4f064105e996e0d139ecbee2115f3
            ecf3f27c6783c38c5ffff8a579ed5aa9906c402704bbf64e84e07751f6cd846d
            8720cb737575d7dffe1674d6d7b2cae9b2b34c28049c21d011c02dd210d02cb1
            7bf7dfb69594f1c5f044a1db8065ac7a2238003028ba7b565f28f25291dbdbda
            6dc1c1f3fc6e7886efe00426fd563849a7049735a55402b6d6c952875b8b4ed5
            7de9f925152a02f48cdce6d640ecd2006cec1a7a488a0c05a56ea6f45eee6155
        """)
    ),
)

ASVK_GENOA = CaFacts(
    common_name="SEV-VLEK-Genoa",
    subject=amd_name("SEV-VLEK-Genoa"),
    serial=0x020101,
    not_before=datetime(2022, 11, 18, 20, 48, 34, tzinfo=UTC),
    not_after=datetime(2047, 11, 18, 20, 48, 34, tzinfo=UTC),
    sha256=bytes.fromhex("197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372"),
    spki_sha256=bytes.fromhex("7d1633252ebbadaa75f96e9b4e6f7d43a90ceb3f843937482630f8da2459264e"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            ccbdbfc62847b1c129c52dfe3ac419a40b8d20919211066b92858fb6a28c8e36
            4ec9730c4470217939b9e848b431bf1325995b1834b9c7f01d6e8c2cb469a91e
            a876cef4af8d93bb578bfa16df38a7bd4fe865df395110802b9ab62b337c8c05
            ad1424fdc994ec7b8969d06ae97b5813ea8124c8eeb3c0b45b05bf21663d8faa
            4d6c40354a752f560eadf3dcdf13e01c07950308aab4f71eeac3eacfb7da53a4
            4721d1fd5b1dd445265a605864ead36a211fd6d3fba6aef243e9bcc6b79b6a7c
            cdd208aadbae486eacac88a6ae9b76e25b2be2d2e1406eb947f45b5494fd32c2
            b850ba5b0143b93707652f06e7a4b587894c2862bc92303f25df1443be13e622
            7957105128f256a1718965c6224947ca2aa80eb1de33c52a691f84481a41e7dc
            9f83fc9c0e1249ca80a0b8a19fbe62883b54dbe66590f9ca81c36ce54d4b7b8e
            35ca97a7da7ec13a7472866c3201404693739c3171ec27a286a432724d509a0b
            77d65f77b1e08bf82e4b8a440e8ef72bb7cc73f6dcdfee6c4f3f63291f7c88cc
            6ed068380cdd5829fd944e1a9a8e1567ef1ec08bad6406260b94c840efb0594a
            8a62bd220286dc70c9d97498d43918d5a2a550f9d2ebfbfd68b64dfa81f3dcd0
            ba6685664a7c05c5f6c82f62d42371a47dc251abf32491b59d98256a1fb91ef3
            8181493c45d1c009db011ff4e61066a20ec232dd45f582929a4bba25f45e718f
        """)
    ),
)
