//! OpenPGP keys and signatures of the archive, encoded by hand (source: RFC 9580 and, for EdDSA, its section
//! 5.5.5.5 on legacy keys).

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

const OID: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A signing key.
pub(super) struct Key {
    pair: Ed25519KeyPair,
    body: Vec<u8>,
}

impl Key {
    /// Creates the key for a seed.
    pub(super) fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let mut body = vec![4, 0x60, 0, 0, 0, 22, 9];
        body.extend(OID);
        body.extend([1, 7, 0x40]);
        body.extend(pair.public_key().as_ref());
        Self { pair, body }
    }

    /// Returns the public key as a keyring.
    pub(super) fn public(&self) -> Vec<u8> {
        packet(6, &self.body)
    }

    /// Returns `text` with a signature in clear text.
    pub(super) fn clear_signed(&self, text: &str) -> String {
        let text = text.trim_end();
        let canonical = text.replace('\n', "\r\n");
        let signature = self.sign(1, canonical.as_bytes());
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}\n{}",
            armour(&signature)
        )
    }

    /// Returns the signature of `data` for a separate file.
    pub(super) fn detached(&self, data: &[u8]) -> Vec<u8> {
        armour(&self.sign(0, data)).into_bytes()
    }

    fn sign(&self, kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap().to_be_bytes();
        let print = [&[0x99], length.as_slice(), &self.body].concat();
        let print = digest(&SHA1_FOR_LEGACY_USE_ONLY, &print);
        let print = print.as_ref();
        // Issuer fingerprint, and the time of signing.
        let mut hashed = vec![22, 33, 4];
        hashed.extend(print);
        hashed.extend([5, 2, 0x65, 0, 0, 0]);
        let mut head = vec![4, kind, 22, 8];
        head.extend(u16::try_from(hashed.len()).unwrap().to_be_bytes());
        head.extend(&hashed);
        let size = u32::try_from(head.len()).unwrap().to_be_bytes();
        let message = [data, &head, &[4, 0xff], &size].concat();
        let hash = digest(&SHA256, &message);
        let signature = self.pair.sign(hash.as_ref());
        let (r, s) = signature.as_ref().split_at(32);
        let mut body = head;
        body.extend([0, 0]);
        body.extend(&hash.as_ref()[..2]);
        body.extend(number(r));
        body.extend(number(s));
        packet(2, &body)
    }
}

/// Returns the hash of `data` in hexadecimal digits.
pub(super) fn sha256(data: &[u8]) -> String {
    let hash = digest(&SHA256, data);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0 | tag, 255];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Encodes a number with its length in bits, without leading zeros.
fn number(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let unused = bytes.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u16::try_from(bytes.len() * 8).unwrap() - u16::try_from(unused).unwrap();
    [&bits.to_be_bytes(), bytes].concat()
}

fn armour(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut block = [0; 4];
        block[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(block);
        for place in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
            let letter = char::from(ALPHABET[sextet]);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|l| std::str::from_utf8(l).unwrap())
        .collect();
    format!(
        "-----BEGIN PGP SIGNATURE-----\n\n{}\n-----END PGP SIGNATURE-----\n",
        lines.join("\n")
    )
}
