//! A client and a gateway of Oblivious HTTP out of the crates `ohttp` and `bhttp`, which are the
//! other implementation in `tests/interop/test_ohttp.py`. Only this dialog is ours.
//!
//! Arguments: `client` or `gateway`; `known` or `indeterminate`, the framing that it writes; for a
//! gateway the number of its AEAD. Lines of hex in, lines of hex out. Whatever is wrong ends it.

use std::{env, error::Error, io};

use bhttp::{Message, Mode};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn hear() -> Outcome<Vec<u8>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(hex::decode(line.trim_end())?)
}

fn say(raw: &[u8]) {
    println!("{}", hex::encode(raw));
}

/// Reads a binary message and writes it anew, so that both halves of the crate are used.
fn rewrite(raw: &[u8], mode: Mode) -> Outcome<Vec<u8>> {
    let message = Message::read_bhttp(&mut io::Cursor::new(raw))?;
    let mut written = Vec::new();
    message.write_bhttp(mode, &mut written)?;
    Ok(written)
}

fn client(mode: Mode) -> Outcome<()> {
    let request = ClientRequest::from_encoded_config_list(&hear()?)?;
    let (encapsulated, response) = request.encapsulate(&rewrite(&hear()?, mode)?)?;
    say(&encapsulated);
    say(&rewrite(&response.decapsulate(&hear()?)?, mode)?);
    Ok(())
}

fn gateway(mode: Mode, aead: Aead) -> Outcome<()> {
    let suites = vec![SymmetricSuite::new(Kdf::HkdfSha256, aead)];
    let other = KeyConfig::new(1, Kem::XWing, suites.clone())?;
    let config = KeyConfig::new(2, Kem::X25519Sha256, suites)?;
    say(&KeyConfig::encode_list(&[&other, &config])?);
    let (request, response) = Server::new(config)?.decapsulate(&hear()?)?;
    say(&rewrite(&request, mode)?);
    say(&response.encapsulate(&rewrite(&hear()?, mode)?)?);
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mode = match words.get(1) {
        Some(&"known") => Mode::KnownLength,
        Some(&"indeterminate") => Mode::IndeterminateLength,
        _ => return Err("known or indeterminate".into()),
    };
    match words[..] {
        ["client", _] => client(mode),
        ["gateway", _, aead] => gateway(mode, Aead::try_from(aead.parse::<u16>()?)?),
        _ => Err("client or gateway".into()),
    }
}
