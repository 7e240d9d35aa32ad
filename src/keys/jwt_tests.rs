//! Tokens signed here, good ones and every kind of bad one. All are signed as they claim unless a test says otherwise, so
//! that nothing but the rule under test can refuse them.

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"sk_0123456789012345678901234567890123456789";
const KID: &str = "key_00112233445566778899aabbccddeeff";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap()
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn public() -> [u8; 32] {
    pair().public_key().as_ref().try_into().unwrap()
}

fn hs_key() -> VerifyingKey {
    VerifyingKey::Hs256(Secret::new(SECRET.to_vec()))
}

fn ed_key() -> VerifyingKey {
    VerifyingKey::EdDsa(public())
}

/// A token of these texts with an HMAC.
fn hs_of(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", b64(tag))
}

fn ed_of(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    format!("{message}.{}", b64(pair().sign(message.as_bytes())))
}

fn header(alg: &str) -> String {
    format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{KID}"}}"#)
}

fn claims() -> String {
    format!(r#"{{"sub":"shop","exp":{}}}"#, NOW + 60)
}

fn hs(claims: &str) -> String {
    hs_of(&header("HS256"), claims, SECRET)
}

/// Without wishes about issuer and audience.
fn check(token: &str, key: &VerifyingKey) -> Result<(), &'static str> {
    verify(token, key, None, None, at(NOW)).map_err(|error| error.reason())
}

#[test]
fn good_tokens_of_both_kinds_are_believed() {
    assert_eq!(check(&hs(&claims()), &hs_key()), Ok(()));
    let token = ed_of(&header("EdDSA"), &claims());
    assert_eq!(check(&token, &ed_key()), Ok(()));
    assert_eq!(key_id(&token), Some(ApiKeyId(KID.to_owned())));
    // RFC 8037, A.4 and A.5: somebody else's signature over no claims of ours.
    let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let foreign = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                   hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let key = VerifyingKey::EdDsa(public.try_into().unwrap());
    assert_eq!(check(foreign, &key), Err("its claims are not as they should be"));
}

#[test]
fn the_key_decides_the_algorithm() {
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256", "HS1", "RS256", "ES256", "PS256", "HS384", "HS512"] {
        for key in [hs_key(), ed_key()] {
            assert!(check(&hs_of(&header(alg), &claims(), SECRET), &key).is_err(), "{alg} HMAC {key:?}");
            assert!(check(&hs_of(&header(alg), &claims(), &public()), &key).is_err(), "{alg} {key:?}");
            assert!(check(&ed_of(&header(alg), &claims()), &key).is_err(), "{alg} Ed25519 {key:?}");
            let bare = format!("{}.{}.", b64(header(alg)), b64(claims()));
            assert!(check(&bare, &key).is_err() && check(bare.trim_end_matches('.'), &key).is_err(), "{alg} bare");
        }
    }
    let other = Err("it is not signed as its key signs");
    // The public key is known to all: it must never serve as a secret.
    assert_eq!(check(&hs_of(&header("HS256"), &claims(), &public()), &ed_key()), other);
    assert_eq!(check(&ed_of(&header("EdDSA"), &claims()), &hs_key()), other);
    assert_eq!(check(&hs_of(&header("EdDSA"), &claims(), SECRET), &hs_key()), other);
    assert_eq!(check(&hs_of(&header("HS512"), &claims(), SECRET), &hs_key()), other);
    let unsigned = Err("its signature is not its key's");
    assert_eq!(check(&hs_of(&header("EdDSA"), &claims(), SECRET), &ed_key()), unsigned);
    assert_eq!(check(&hs_of(&header("EdDSA"), &claims(), &public()), &ed_key()), unsigned);
    assert_eq!(check(&hs_of(&header("HS256"), &claims(), b"another secret of thirty-two byte"), &hs_key()), unsigned);
    assert_eq!(check(&ed_of(&header("HS256"), &claims()), &hs_key()), unsigned);
    let twice = format!(r#"{{"alg":"none","alg":"HS256","kid":"{KID}"}}"#);
    assert!(check(&hs_of(&twice, &claims(), SECRET), &hs_key()).is_err());
    assert!(check(&hs_of(r#"{"kid":"key_1"}"#, &claims(), SECRET), &hs_key()).is_err());
}

#[test]
fn a_short_secret_is_no_key() {
    for short in [&SECRET[..0], &SECRET[..31]] {
        let token = hs_of(&header("HS256"), &claims(), short);
        let key = VerifyingKey::Hs256(Secret::new(short.to_vec()));
        assert_eq!(check(&token, &key), Err("its key is too short"));
    }
    let token = hs_of(&header("HS256"), &claims(), &SECRET[..32]);
    assert_eq!(check(&token, &VerifyingKey::Hs256(Secret::new(SECRET[..32].to_vec()))), Ok(()));
}

#[test]
fn the_cryptography_refuses_all_else_without_a_panic() {
    assert!(install());
    let key = EncodingKey::from_secret(SECRET);
    for alg in [Algorithm::HS256, Algorithm::HS512, Algorithm::EdDSA, Algorithm::RS256] {
        assert!(jsonwebtoken::crypto::sign(b"text", &key, alg).is_err(), "{alg:?}");
    }
    let (secret, point) = (DecodingKey::from_secret(SECRET), DecodingKey::from_ed_der(&public()));
    for (algorithm, key) in [
        (Algorithm::EdDSA, &secret),
        (Algorithm::HS384, &secret),
        (Algorithm::HS256, &point),
        (Algorithm::ES256, &point),
        (Algorithm::RS256, &DecodingKey::from_rsa_raw_components(b"n", b"e")),
    ] {
        assert!(verifier(&algorithm, key).is_err(), "{algorithm:?}");
    }
    assert!(verifier(&Algorithm::HS256, &secret).is_ok() && verifier(&Algorithm::EdDSA, &point).is_ok());
}

#[test]
fn a_token_is_valid_in_its_time_only() {
    let never = Err("it never expires");
    let (malformed, no_time) = (Err("its claims are not as they should be"), Err("a time in it is none"));
    let exp = NOW + 60;
    let cases: [(String, Result<(), &str>); 33] = [
        ("{}".to_owned(), never),
        (r#"{"EXP":1900000000}"#.to_owned(), never),
        (r#"{"exp":null}"#.to_owned(), malformed),
        (format!(r#"{{"exp":"{exp}"}}"#), malformed),
        (format!(r#"{{"exp":[{exp}]}}"#), malformed),
        (r#"{"exp":true}"#.to_owned(), malformed),
        (r#"{"exp":1e400}"#.to_owned(), malformed),
        (r#"{"exp":NaN}"#.to_owned(), malformed),
        // A number is a number however it is written; a fraction is a part of a second.
        (r#"{"exp":1e10}"#.to_owned(), Ok(())),
        (format!(r#"{{"exp":{exp}.5}}"#), Ok(())),
        (format!(r#"{{"exp":{}.5}}"#, NOW - 30), Ok(())),
        (r#"{"exp":0}"#.to_owned(), Err("it has expired")),
        (r#"{"exp":-1}"#.to_owned(), no_time),
        (r#"{"exp":-9223372036854775808}"#.to_owned(), no_time),
        (r#"{"exp":253402300799}"#.to_owned(), Ok(())),
        (r#"{"exp":253402300800}"#.to_owned(), no_time),
        (format!(r#"{{"exp":{exp}000}}"#), no_time),
        (r#"{"exp":18446744073709551615}"#.to_owned(), no_time),
        (r#"{"exp":99999999999999999999999}"#.to_owned(), no_time),
        (r#"{"exp":1e300}"#.to_owned(), no_time),
        (format!(r#"{{"exp":{}}}"#, NOW - 29), Ok(())),
        (format!(r#"{{"exp":{}}}"#, NOW - 30), Err("it has expired")),
        (format!(r#"{{"exp":{}}}"#, NOW - 31), Err("it has expired")),
        (format!(r#"{{"exp":{exp},"nbf":{}}}"#, NOW - 1), Ok(())),
        (format!(r#"{{"exp":{exp},"nbf":{}}}"#, NOW + 30), Ok(())),
        (format!(r#"{{"exp":{exp},"nbf":{}}}"#, NOW + 31), Err("it is not valid yet")),
        (format!(r#"{{"exp":{exp},"nbf":"{NOW}"}}"#), malformed),
        (format!(r#"{{"exp":{exp},"nbf":null}}"#), malformed),
        (format!(r#"{{"exp":{exp},"nbf":-1}}"#), no_time),
        (format!(r#"{{"exp":{exp},"iat":{NOW}}}"#), Ok(())),
        (format!(r#"{{"exp":{exp},"iat":{}}}"#, NOW + 30), Ok(())),
        (format!(r#"{{"exp":{exp},"iat":{}}}"#, NOW + 31), Err("it is from the future")),
        (format!(r#"{{"exp":{exp},"iat":"now"}}"#), malformed),
    ];
    for (claims, expected) in cases {
        assert_eq!(check(&hs(&claims), &hs_key()), expected, "{claims}");
    }
    let before = UNIX_EPOCH - Duration::from_secs(1);
    assert!(verify(&hs(&claims()), &hs_key(), None, None, before).is_err());
}

#[test]
fn issuer_and_audience_are_exact_where_they_are_wished() {
    let (other, elsewhere) = (Err("its issuer is another"), Err("it is for somebody else"));
    for (claims, issuer, audience) in [
        ("", Err("its issuer is another"), elsewhere),
        (r#","iss":"us","aud":"me""#, Ok(()), Ok(())),
        (r#","iss":"us ","aud":"Me""#, other, elsewhere),
        (r#","iss":"","aud":"""#, other, elsewhere),
        (r#","iss":null,"aud":null"#, other, elsewhere),
        (r#","iss":["us"],"aud":["you","me"]"#, other, Ok(())),
        (r#","iss":{"us":"us"},"aud":{"me":"me"}"#, other, elsewhere),
        (r#","iss":1,"aud":[1,"you",["me"]]"#, other, elsewhere),
        (r#","aud":[]"#, other, elsewhere),
        (r#","iss":"me","aud":"us""#, other, elsewhere),
        (r#","iss":"u\u0073","aud":["m\u0065"]"#, Ok(()), Ok(())),
    ] {
        let token = hs(&format!(r#"{{"exp":{}{claims}}}"#, NOW + 60));
        let reason = |checked: Result<(), TokenError>| checked.map_err(|error| error.reason());
        assert_eq!(reason(verify(&token, &hs_key(), Some("us"), None, at(NOW))), issuer, "{claims}");
        assert_eq!(reason(verify(&token, &hs_key(), None, Some("me"), at(NOW))), audience, "{claims}");
        assert_eq!(reason(verify(&token, &hs_key(), None, None, at(NOW))), Ok(()), "{claims}");
        let both = reason(verify(&token, &hs_key(), Some("us"), Some("me"), at(NOW)));
        assert_eq!(both, issuer.and(audience), "{claims}");
    }
}

#[test]
fn no_byte_can_be_changed() {
    for (token, key) in [(hs(&claims()), hs_key()), (ed_of(&header("EdDSA"), &claims()), ed_key())] {
        for at in 0..token.len() {
            let old = token.as_bytes()[at];
            for new in b"ABCDQgwxyz059-_.=/ \0".iter().filter(|_| at % 3 == 0 || at + 4 > token.len()) {
                let mut bent = token.clone().into_bytes();
                bent[at] = *new;
                let bent = String::from_utf8(bent).unwrap();
                assert_eq!(check(&bent, &key).is_ok(), *new == old, "byte {at}: {bent}");
            }
            assert!(check(&token[..at], &key).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn a_token_has_three_parts_of_base64url() {
    let token = hs(&claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = message.split_once('.').unwrap();
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}="),
        format!("{token} "),
        format!(" {token}"),
        format!("Bearer {token}"),
        format!("{message}.{signature}=="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}==.{signature}"),
        format!("{message}."),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{message}é.{signature}"),
    ] {
        assert!(check(&bad, &hs_key()).is_err(), "{bad}");
    }
    for (header, claims) in [
        (header("HS256"), "[]".to_owned()),
        (header("HS256"), format!("[{},null,null,null,null]", NOW + 60)),
        (header("HS256"), format!("[{}]", NOW + 60)),
        (header("HS256"), format!(r#"[{},0,0,"us","me"]"#, NOW + 60)),
        (header("HS256"), format!("{}x", claims())),
        (header("HS256"), "null".to_owned()),
        (r#"["HS256"]"#.to_owned(), claims()),
        (r#"["JWT","HS256"]"#.to_owned(), claims()),
        (r#""HS256""#.to_owned(), claims()),
    ] {
        assert!(check(&hs_of(&header, &claims, SECRET), &hs_key()).is_err(), "{header} {claims}");
    }
}

#[test]
fn a_token_is_short() {
    let padded = |fill: usize| hs(&format!(r#"{{"exp":{},"fill":"{}"}}"#, NOW + 60, "x".repeat(fill)));
    let long = padded(9 * 1024);
    assert!(long.len() > LONGEST);
    assert_eq!(check(&long, &hs_key()), Err("it is too long"));
    assert_eq!(key_id(&long), None);
    let fill = (5_000..7_000).rfind(|fill| padded(*fill).len() <= LONGEST).unwrap();
    assert_eq!(check(&padded(fill), &hs_key()), Ok(()));
    assert_eq!(check(&padded(fill + 1), &hs_key()), Err("it is too long"));
    let deep = format!(r#"{{"exp":{},"deep":{}{}}}"#, NOW + 60, "[".repeat(2_000), "]".repeat(2_000));
    assert!(check(&hs(&deep), &hs_key()).is_err());
}

#[test]
fn extensions_and_repeated_claims_are_refused() {
    for crit in [r#"["exp"]"#, r#"["b64"]"#, "[]", "null", r#""exp""#, "1"] {
        let header = format!(r#"{{"alg":"HS256","kid":"{KID}","crit":{crit},"b64":false}}"#);
        assert_eq!(check(&hs_of(&header, &claims(), SECRET), &hs_key()), Err("it asks for extensions"), "{crit}");
    }
    let (exp, past) = (NOW + 60, NOW - 60);
    for claims in [
        format!(r#"{{"exp":{exp},"exp":{past}}}"#),
        format!(r#"{{"exp":{past},"exp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"\u0065xp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"nbf":{past},"nbf":{past}}}"#),
        format!(r#"{{"exp":{exp},"iss":"us","iss":"them"}}"#),
        format!(r#"{{"exp":{exp},"aud":"me","aud":["me"]}}"#),
    ] {
        assert_eq!(check(&hs(&claims), &hs_key()), Err("its claims are not as they should be"), "{claims}");
    }
}

#[test]
fn only_the_name_of_a_key_is_one() {
    let named = |kid: &str| key_id(&hs_of(&format!(r#"{{"alg":"HS256"{kid}}}"#), &claims(), SECRET));
    assert_eq!(named(&format!(r#","kid":"{KID}""#)), Some(ApiKeyId(KID.to_owned())));
    for kid in ["\"key_\\u0000\"", "\"key_1\\n\"", "\"key_1 \"", "\"key_é\"", "\"\"", "\"wid_1\"", "\"key_1'--\""] {
        assert_eq!(named(&format!(r#","kid":{kid}"#)), None, "{kid}");
    }
    for kid in ["1", "null", "[\"key_1\"]", "{}", "true", "\"key_1\",\"kid\":\"key_2\""] {
        assert_eq!(named(&format!(r#","kid":{kid}"#)), None, "{kid}");
    }
    assert_eq!(named(""), None);
    assert_eq!(named(&format!(r#","kid":"key_{}""#, "a".repeat(61))), None);
    for token in ["", "a.b.c", "e30.e30.e30", "....", "é.é.é"] {
        assert_eq!(key_id(token), None, "{token}");
    }
}

#[test]
fn neither_keys_nor_refusals_tell_anything() {
    assert_eq!(format!("{:?} {:?}", hs_key(), ed_key()), "HS256 key [redacted] EdDSA key [redacted]");
    let secretive = hs(r#"{"exp":"hunter2","iss":"hunter2"}"#);
    for token in [secretive, hs_of(r#"{"alg":"hunter2"}"#, "{}", SECRET), "hunter2.hunter2.hunter2".to_owned()] {
        let error = verify(&token, &hs_key(), None, None, at(NOW)).unwrap_err();
        assert!(!format!("{error} {error:?} {}", error.reason()).contains("hunter2"));
        assert_eq!(error.to_string(), "is no valid token");
    }
}
