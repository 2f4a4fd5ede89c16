"""The three AMD CA keys of Turin as facts.

Source: certificates served by AMD's key distribution service, ``/vcek/v1/Turin/cert_chain`` and
``/vlek/v1/Turin/cert_chain``. Tests compare every value with those certificates.
"""

from __future__ import annotations

from datetime import UTC, datetime

from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import CaFacts

__all__ = ["ARK_TURIN", "ASK_TURIN", "ASVK_TURIN"]

ARK_TURIN = CaFacts(
    common_name="ARK-Turin",
    subject=amd_name("ARK-Turin"),
    serial=0x030000,
    not_before=datetime(2023, 5, 15, 20, 3, 12, tzinfo=UTC),
    not_after=datetime(2048, 5, 15, 20, 3, 12, tzinfo=UTC),
    sha256=bytes.fromhex("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"),
    spki_sha256=bytes.fromhex("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            c1a02b881ec422e55ce19075c03dd87c3c4bfbd7b24bbfa2ce6d098f75bbef63
            483425a5f018f7c3f243d998e66d1c56748abfe1df626ab08aa2b5e5a09501d6
            345d831a9c713c7568ea22838fb6c355e1555253ecae39ef04f964b3498106b1
            a9af44b64c2377afbdb0e86508313d978de443447606291525afeecb254e4b01
            24e70e6d5ca3ae1bd8efaba42d00c25ab16dfcc25a910da2841ad67d554806a2
            7dbb66e2f8b1326e0bf6b3cfdfe2401c3c9048a5cce97de4089391e6398d2101
            0d66c0aa7664e6a94cee4212286db4920426d789a134a0c8da9da8b9afb3b801
            bb8b9d9ea68445d867d4d13624ff27febc2341dad9de721150b8fd9ef1b2e4f7
            965da8f8bdfd45b0e095e3b5d100e2ed896299524943d05405cab7a2d5aae8ed
            25c339f492abdaed1743be4ac3170ca75e604978417c89ef3c0c2e018e1d130c
            06a93f28220e1eb0f1f012c98286161e0c8c4f1bd4787f1f4ed2aea9f066fe1d
            7953892e3b3fd60d78ea6274e50acc397f4b53afca10ed48bf0b25cdb84004c5
            c9da3f883fca51dbc54d1943d1cae400c9192e8590f212c319ce816495ec75de
            d97f67b8516ded23fd6887fdaddb73addf3ca14dcbf98036c006ed0b8d57bdf2
            e4674b5e523302bffe526df5ee41a8abe0001912a0005ff81e1516d3d5117d32
            82b61a15a23d8b9001af19d5066cd7a516f6d622353653427ce1943c8855a561
        """)
    ),
)

ASK_TURIN = CaFacts(
    common_name="SEV-Turin",
    subject=amd_name("SEV-Turin"),
    serial=0x030001,
    not_before=datetime(2023, 5, 15, 20, 25, 21, tzinfo=UTC),
    not_after=datetime(2048, 5, 15, 20, 25, 21, tzinfo=UTC),
    sha256=bytes.fromhex("5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185"),
    spki_sha256=bytes.fromhex("0000ead352025f208bf55297c4192c34cd1b878002107366d8f2065a9ae7d3a9"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            9ef8391abbf612677d94084a74eeb845753750449be894e6d078737afc753f2c
            629f162a24bdf6f6a4c93345e6768ccb61beebb07c60339236a54d7c33c81e72
            dda937f601d8b435fdb22adfb4cf0db83bca6d0c37a2a467a684471017d2fa18
            b5d0f23718c30148e946909ed4571c01ebff12cda7fc5cf51b54e60b65dea534
            2a68aa66b7a9a70d64821c256c42863481289b79a1ba76833a3a235409b29768
            2eca1c7e5bffde810f50c9f3833e247a8f0a51611ea509c33285e50c63e30816
            019ccaf143e188d1a3ac5ebe4c1765146752cc4ab0d633ab0931ddb98c8b2bee
            4e437388c384bebd978e568c496a34c859db2a60fd832dcd0790bd2a58eba610
            eaeb736ff80de1134a10743322291f4e6449a97240dd9e3793faa6d381f3885d
            74275b24f11ea670fe16a41aa75ba4c372bcb81720781480176debe94b53f147
            3987b32c597dcca198841dc4a40d043c21e75393b08b8ec2ba4bb6ff95f2aa7d
            889184a806911bec11dfcc0cd72e98764a220cdab09c206a0cd2820894a3d8d7
            a771169bce1fab2c4d5f34aeb4f07ba83e4ffd42c007eabd420bebcc2f179de6
            8b3f430dac784cf3451e8e6b014c892d32f16859521e9580cb75ca22d1e303e4
            345c71fb20ad8698ea1ffefea7fdb6083e997d3d509a6e48f445dfca32aa734d
            14c979bffb562e052c0a13d4e8d0900b5ed06aaafc9aedb29f2cae1c4b392555
        """)
    ),
)

ASVK_TURIN = CaFacts(
    common_name="SEV-VLEK-Turin",
    subject=amd_name("SEV-VLEK-Turin"),
    serial=0x030101,
    not_before=datetime(2023, 5, 15, 21, 9, 41, tzinfo=UTC),
    not_after=datetime(2048, 5, 15, 21, 9, 41, tzinfo=UTC),
    sha256=bytes.fromhex("104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c"),
    spki_sha256=bytes.fromhex("bfc441408b2f806c5dbf180bd8920e6e60dd404d82141780d85dbf962954d386"),
    modulus=int.from_bytes(
        bytes.fromhex("""
            a63aee8b89746688048747c37557c9e2e9e8c061a8964db05f2ce36e30bf7e7a
            a5845aa2163d4948a764612bf33d57e00d1d0c53658b972b6b006a8e1d805d93
            8328cf7c474d726eb3be4d79fd04059a4693d3383d0185fa74ea622fa10e0baa
            d78c1050496d37dc06ba79d479a333d1eea17c26ac0debe4ca920b329a27bd3b
            da338f51022a42bd38263d14e4400f218e5ded03a47b4bf1ca4e7ebf4374fbe0
            0d017f280ae3d2cb91d1c5d395a8d2967daa63f2862d1187d7a96342fefd3d9e
            d7b7e88567026af804f8a17918ee5720dcee9f02a89420b21f7f77d220266f5b
            efe6fe0f8a69c6b1f1f889ce24200a51d61640a54dd81b7a9413ce2a91be5210
            0490b136424f426ffc0c42f52a39876c2b695cd6cfa1afa4f1c4b512afb9ee6f
            7a19303e3162a49313e59ec298db9773ed2571549930749bb301521ca2ada781
            74503a0f9ee216c3f7631838e41974bd5b9336377cd549b9fde1c27108ccce4f
            320b85c5ff9496ada28b257f1beab9c147f0fa52f7104c86e3787d33e5364fe8
            55b43ac3ca7110c89ba342bc43e80eaaacdd566ea2ee3a2da1bb2e6311f51edb
            63b1ceb5bd2b244834f82643e3a935a2c8e9ac148fba39bfe1c9afdfaa97b410
            fcbaf133e4f3908e0bbbaa34cceee7cc5bd2e02db746de7a30f1dbd99145b88f
            34be6d9f02bd2859990e9799592660cef9f62be4904caf3464a9fc62ad9229f5
        """)
    ),
)
