use super::*;
use ct_codecs::Encoder;
use proptest::prelude::*;

#[test]
fn every_changed_byte_of_message_and_signature_is_noticed() {
    let (secret, public) = generate_signing_key().unwrap();
    let message = b"{\"format\": \"1.0\"}\n".to_vec();
    let signature = Signer::new(&secret, None).unwrap().sign(&message, "prod x").unwrap().into_bytes();
    let verifier = Verifier::new(&public).unwrap();
    verifier.verify(&message, &signature, "prod x").unwrap();
    assert!(verifier.verify(&message, &signature, "prod y").is_err());
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(verifier.verify(&changed, &signature, "prod x").is_err(), "message byte {at}");
    }
    for at in 0..signature.len() {
        for bit in 0..8 {
            let mut changed = signature.clone();
            changed[at] ^= 1 << bit;
            assert!(verifier.verify(&message, &changed, "prod x").is_err(), "signature byte {at} bit {bit}");
        }
        assert!(verifier.verify(&message, &signature[..at], "prod x").is_err(), "cut at {at}");
    }
}

/// What `minisign -G -W` of minisign 0.11 wrote.
const NO_CHECKSUM: &str = "untrusted comment: minisign encrypted secret key\n\
    RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALSm5EkdJt6dJCPAOtE+72OeMI6q0Vv8s1iYD/8H/kQmh2qLvCjLp1Yue01p90sCEtkz1vwJ44YH0AP0ddpPEJsM1RR4DD1rwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

#[test]
fn a_key_without_a_checksum_is_taken_unless_it_is_damaged() {
    let signature = Signer::new(&NO_CHECKSUM.to_owned().into(), None).unwrap().sign(b"x", "c").unwrap();
    let verifier = Verifier::new(PUBLIC).unwrap();
    verifier.verify(b"x", signature.as_bytes(), "c").unwrap();
    // The protection, the key itself, its public half, the checksum; the key's number may be anything.
    for at in [2, 62, 93, 94, 125, 126, 157] {
        let (comment, line) = NO_CHECKSUM.trim().split_once('\n').unwrap();
        let mut bytes = Base64::decode_to_vec(line, None).unwrap();
        bytes[at] ^= 0x40;
        let text = format!("{comment}\n{}\n", Base64::encode_to_string(&bytes).unwrap());
        assert!(Signer::new(&text.into(), None).is_err(), "byte {at}");
    }
}

#[test]
fn another_key_is_refused() {
    let (secret, _) = generate_signing_key().unwrap();
    let (_, other) = generate_signing_key().unwrap();
    let signature = Signer::new(&secret, None).unwrap().sign(b"x", "c").unwrap();
    assert!(Verifier::new(&other).unwrap().verify(b"x", signature.as_bytes(), "c").is_err());
    assert!(Signer::new(&"nonsense".to_owned().into(), None).is_err());
    assert!(Verifier::new("RWQnonsense").is_err());
}

/// The public key of [`NO_CHECKSUM`].
const PUBLIC: &str = "RWQtKbkSR0m3p4ue01p90sCEtkz1vwJ44YH0AP0ddpPEJsM1RR4DD1rw";
const MESSAGE: &str = "{\"format\": \"1.0\"}\n";

/// What `minisign -S -t 'prod x' -c 'signature of a lifeboat manifest'` of minisign 0.11 wrote over [`MESSAGE`].
const BY_MINISIGN: &str = "untrusted comment: signature of a lifeboat manifest\n\
    RUQtKbkSR0m3p6KHLFhrU9F7w2QKuQvm+2AtbYGqbPnxX0mb4oa4hSCUC8PTk2CAvTymA4u0Ksp/sx9gTzb0kgh6EmjrgW07fQo=\n\
    trusted comment: prod x\n\
    VELsKlL9ynUVwriYzFteUPeJSbum4FZHDS5lYKG6AWTnvFMP59YEJHLRd2qdH1ntAgc8EewMSD9fSr28mdxYCA==\n";

/// The same with `-l`.
const OLD_FORM: &str = "untrusted comment: signature of a lifeboat manifest\n\
    RWQtKbkSR0m3p7BQoe777wrpBdL2WE56pH32SgCj8hGeh3sxRCOuQcr+rjG9Gk6pB5shv315ZcCF16lW+rkDfTD8Xu991WAGuAE=\n\
    trusted comment: prod x\n\
    bLF9Ck7p9Krp9y60eU5I1g18oiiPfM7F0igkvxS2eHa/RsZSxNlTSBBRAMHKPo/2BDfbbZ6fGVnoD4D/Jn4aCA==\n";

/// What the crate minisign says, with its own arithmetic, and of Lifeboat's rules those that it does not have.
fn by_the_crate(public: &str, bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(signature) else { return false };
    let (Ok(key), true) =
        (PublicKey::from_base64(public), text.lines().map(str::len).skip(1).step_by(2).eq([100, 88]))
    else {
        return false;
    };
    let Ok(parsed) = SignatureBox::from_string(text) else { return false };
    minisign::verify(&key, &parsed, Cursor::new(bytes), true, false, false).is_ok()
        && parsed.trusted_comment().is_ok_and(|said| said == "prod x")
        && parsed.untrusted_comment().is_ok_and(|said| said == MANIFEST)
        // It reads over what stands behind a signature: 65 bytes are as good as 64.
        && SignatureBox::from_string(text).is_ok_and(|again| again.into_string() == text)
        && parsed.into_string() == text
}

fn by_lifeboat(public: &str, bytes: &[u8], signature: &[u8]) -> bool {
    Verifier::new(public).is_ok_and(|verifier| verifier.verify(bytes, signature, "prod x").is_ok())
}

#[test]
fn what_the_program_minisign_wrote_holds_but_not_in_its_old_form() {
    assert!(by_lifeboat(PUBLIC, MESSAGE.as_bytes(), BY_MINISIGN.as_bytes()));
    let verifier = Verifier::new(PUBLIC).unwrap();
    let refused = verifier.verify(MESSAGE.as_bytes(), OLD_FORM.as_bytes(), "prod x").unwrap_err();
    assert!(refused.to_string().contains("old form"), "{refused}");
}

#[test]
fn a_key_under_which_everything_holds_is_none() {
    for (first, last) in [(0, 0), (0, 0x80), (1, 0), (1, 0x80)] {
        let mut bytes = *b"Ed12345678................................";
        bytes[POINT].fill(0);
        (bytes[POINT.start], bytes[POINT.end - 1]) = (first, last);
        let key = Base64::encode_to_string(bytes).unwrap();
        assert!(Verifier::new(&key).is_err(), "{first} {last}");
    }
}

/// A half of a signature at the edges of what is allowed.
fn strange() -> impl Strategy<Value = [u8; 32]> {
    // The order of the group, which the second half has to be below; and the field's.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut field = [0xff; 32];
    (field[0], field[31]) = (0xed, 0x7f);
    prop_oneof![Just(order), Just(field), Just([0; 32]), Just([0xff; 32]), any::<[u8; 32]>()]
}

proptest! {
    /// Both arithmetics give one verdict, whatever became of the signature's file, the bytes or the key.
    #[test]
    fn one_verdict_with_the_crate(
        own: bool,
        at: prop::sample::Index,
        to: u8,
        place in 0u8..8,
        half in strange(),
    ) {
        let (mut message, mut file) = (MESSAGE.as_bytes().to_vec(), BY_MINISIGN.as_bytes().to_vec());
        let mut key = Base64::decode_to_vec(PUBLIC, None).unwrap();
        if own {
            let signer = Signer::new(&NO_CHECKSUM.to_owned().into(), None).unwrap();
            file = signer.sign(&message, "prod x").unwrap().into_bytes();
        }
        // A half of one of the two signatures, before it is put into base64 again.
        let mut replace = |line: usize, range: std::ops::Range<usize>| {
            let text = String::from_utf8(file.clone()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let mut bytes = Base64::decode_to_vec(&lines[line], None).unwrap();
            bytes[range].copy_from_slice(&half);
            lines[line] = Base64::encode_to_string(&bytes).unwrap();
            file = (lines.join("\n") + "\n").into_bytes();
        };
        match place {
            0 => { let n = at.index(message.len()); message[n] = to; }
            1 | 2 => { let n = at.index(file.len()); file[n] = to; }
            3 => { let n = at.index(key.len()); key[n] = to; }
            4 => replace(1, 10..42),
            5 => replace(1, 42..74),
            6 => replace(3, 0..32),
            _ => replace(3, 32..64),
        }
        let key = Base64::encode_to_string(&key).unwrap();
        prop_assert_eq!(by_lifeboat(&key, &message, &file), by_the_crate(&key, &message, &file));
    }
}
