// A client and an issuer of Privacy Pass out of the package @cloudflare/privacypass-ts, which is the
// other implementation in tests/interop/test_token.py. Only this dialog is ours.
//
// Argument: client or issuer. Lines in, lines out: the values of header fields as they are, the
// rest in hex. Whatever is wrong ends it.

import { createInterface } from "node:readline";
import {
    AuthorizationHeader,
    TOKEN_TYPES,
    WWWAuthenticateHeader,
    publicVerif,
} from "@cloudflare/privacypass-ts";

const { BlindRSAMode, Client, Issuer, Origin, TokenRequest, getPublicKeyBytes } = publicVerif;
const TYPE = TOKEN_TYPES.BLIND_RSA;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const hear = async () => (await lines.next()).value;
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const say = (line) => process.stdout.write(`${line}\n`);
const sayBytes = (raw) => say(Buffer.from(raw).toString("hex"));

async function client() {
    const [offered] = WWWAuthenticateHeader.parse(await hear());
    const client = new Client(BlindRSAMode.PSS);
    sayBytes((await client.createTokenRequest(offered.challenge, offered.tokenKey)).serialize());
    const token = await client.finalize(client.deserializeTokenResponse(bytes(await hear())));
    say(new AuthorizationHeader(token).toString(true));
}

async function issuer() {
    const algorithm = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
    const pair = await Issuer.generateKey(BlindRSAMode.PSS, algorithm);
    const { privateKey, publicKey } = pair;
    const issuer = new Issuer(BlindRSAMode.PSS, "issuer.test", privateKey, publicKey);
    const origin = new Origin(BlindRSAMode.PSS, ["gateway.test"]);
    const challenge = origin.createTokenChallenge("issuer.test", new Uint8Array(32).fill(7));
    const key = await getPublicKeyBytes(publicKey);
    say(new WWWAuthenticateHeader(challenge, key, 10).toString(true));
    sayBytes((await issuer.issue(TokenRequest.deserialize(TYPE, bytes(await hear())))).serialize());
    for (let line = await hear(); line !== undefined; line = await hear()) {
        const [{ token }] = AuthorizationHeader.parse(TYPE, line);
        say((await origin.verify(token, publicKey)) ? "verified" : "refused");
    }
}

await { client, issuer }[process.argv[2]]();
process.exit(0);
