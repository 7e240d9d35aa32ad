//! Every field of a payment's request, good and bad, each with its own word.

use super::*;

fn request() -> PaymentRequest {
    PaymentRequest {
        deposit_id: "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a44".to_owned(),
        return_url: "https://shop.example.com/back".to_owned(),
        ..PaymentRequest::default()
    }
}

/// What is wrong with a request that was changed so.
fn faults(change: impl FnOnce(&mut PaymentRequest)) -> Vec<String> {
    let mut request = request();
    change(&mut request);
    let faults = check(&request).err().unwrap_or_default();
    faults.into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
}

#[track_caller]
fn good(change: impl FnOnce(&mut PaymentRequest)) {
    assert_eq!(faults(change), Vec::<String>::new());
}

/// The only fault is one of this field.
#[track_caller]
fn bad(field: &str, change: impl FnOnce(&mut PaymentRequest)) {
    let found = faults(change);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{field} ")), "{field}: {found:?}");
}

fn datum(name: &str, value: &str) -> Metadatum {
    Metadatum { name: name.to_owned(), value: Secret::new(value.to_owned()), pii: false }
}

#[test]
fn amounts_are_those_of_the_contract() {
    for (text, read) in [
        ("5", "5"),
        ("5.0", "5"),
        ("5.00", "5"),
        ("5.5", "5.5"),
        ("5.55", "5.55"),
        ("5555555", "5555555"),
        ("0.5", "0.5"),
        ("0.01", "0.01"),
        ("10", "10"),
        ("100000000000000000", "100000000000000000"),
        ("999999999999999999.99", "999999999999999999.99"),
    ] {
        assert_eq!(amount(text).as_deref(), Ok(read), "{text}");
    }
    for (text, why) in [
        ("5.", "must have a digit behind its point, or no point"),
        ("5.555", "must have at most 2 digits behind its point"),
        ("5555555555555555555", "must have at most 18 digits before its point"),
        (".5", "must have a digit before its point"),
        ("-5.5", "must be ASCII digits with at most one point"),
        ("00.5", "must not begin with a zero before other digits"),
        ("00.00", "must not begin with a zero before other digits"),
        ("00001.32", "must not begin with a zero before other digits"),
        ("", "must have at least one digit"),
        (".", "must have a digit before its point"),
        ("0", "must be more than 0"),
        ("0.0", "must be more than 0"),
        ("0.00", "must be more than 0"),
        ("0.001", "must have at most 2 digits behind its point"),
        ("5.000", "must have at most 2 digits behind its point"),
        ("1000000000000000000", "must have at most 18 digits before its point"),
        ("1000000000000000000.00", "must have at most 18 digits before its point"),
        ("+5", "must be ASCII digits with at most one point"),
        (" 5", "must be ASCII digits with at most one point"),
        ("5 ", "must be ASCII digits with at most one point"),
        ("5\n", "must be ASCII digits with at most one point"),
        ("5,5", "must be ASCII digits with at most one point"),
        ("5.5.5", "must be ASCII digits with at most one point"),
        ("5..5", "must be ASCII digits with at most one point"),
        ("1e3", "must be ASCII digits with at most one point"),
        ("0x5", "must be ASCII digits with at most one point"),
        ("٥", "must be ASCII digits with at most one point"),
        ("５", "must be ASCII digits with at most one point"),
        ("NaN", "must be ASCII digits with at most one point"),
        ("1_000", "must be ASCII digits with at most one point"),
    ] {
        assert_eq!(amount(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn a_deposit_id_is_a_uuid_of_version_4_and_its_case_says_nothing() {
    assert_eq!(uuid("3F0C6A52-7D1E-4C7B-9A53-0D2F6B8E1A44").as_deref(), Ok("3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a44"));
    for id in ["3f0c6a52-7d1e-4c7b-8a53-0d2f6b8e1a44", "3f0c6a52-7d1e-4c7b-ba53-0d2f6b8e1a44"] {
        assert_eq!(uuid(id).as_deref(), Ok(id));
    }
    for id in [
        "",
        "3f0c6a527d1e4c7b9a530d2f6b8e1a44",
        "{3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a44}",
        "urn:uuid:3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a44",
        "3f0c6a52-7d1e-1c7b-9a53-0d2f6b8e1a44",
        "3f0c6a52-7d1e-4c7b-ca53-0d2f6b8e1a44",
        "3f0c6a52-7d1e-4c7b-7a53-0d2f6b8e1a44",
        "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a4",
        "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a444",
        "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a4g",
        "3f0c6a5-27d1e-4c7b-9a53-0d2f6b8e1a44",
        "00000000-0000-0000-0000-000000000000",
        "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a4é",
    ] {
        assert!(uuid(id).is_err(), "{id}");
    }
}

#[test]
fn a_return_url_is_a_page() {
    for url in ["https://shop.example.com", "http://127.0.0.1:3000/x?y=1#z", "https://büro.example/ö"] {
        good(|request| request.return_url = url.to_owned());
    }
    let long = format!("https://shop.example.com/{}", "x".repeat(2_048));
    for url in [
        "",
        "/back",
        "shop.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.example.com",
        "https://u:p@shop.example.com/",
        "https://u@shop.example.com/",
        " https://shop.example.com/",
        "https://shop.example.com/ x",
        "https://shop.example.com/\u{202e}x",
        "https://shop.example.com/\n",
        &long,
    ] {
        bad("returnUrl", |request| request.return_url = url.to_owned());
    }
}

#[test]
fn words_are_short_and_show_what_they_say() {
    for text in ["Shop", "Shop 17", "0123456789012345678901"] {
        good(|request| request.statement_description = Some(text.to_owned()));
    }
    for text in ["", "abc", "01234567890123456789012", "Shop!", "Shöp", "Shop\t1", "Shop-1", "<b>x</b>"] {
        bad("statementDescription", |request| request.statement_description = Some(text.to_owned()));
    }
    for text in ["x", "<script>alert(1)</script>", "\u{1f600}", &"é".repeat(50), "مرحبا"] {
        good(|request| request.reason = Some(text.to_owned()));
    }
    let emoji = "\u{1f600}".repeat(2_500);
    for text in ["", &"x".repeat(51), "a\nb", "a\0b", "a\u{85}b", "a\u{202e}b", "a\u{2066}b", "\u{2069}", &emoji] {
        bad("reason", |request| request.reason = Some(text.to_owned()));
    }
}

#[test]
fn languages_and_countries_are_known_and_numbers_are_of_their_country() {
    for text in ["EN", "FR"] {
        good(|request| request.language = Some(text.to_owned()));
    }
    for text in ["", "en", "DE", "EN-GB", "ENG"] {
        bad("language", |request| request.language = Some(text.to_owned()));
    }
    let with = |number: &str, country: &str| {
        let (number, country) = (number.to_owned(), country.to_owned());
        move |request: &mut PaymentRequest| {
            request.msisdn = Some(Secret::new(number));
            request.country = Some(country);
        }
    };
    good(with("33612345678", "FRA"));
    bad("msisdn", with("33612345678", "GBR"));
    bad("msisdn", with("0612345678", "FRA"));
    bad("country", with("33612345678", "FR"));
    bad("country", with("33612345678", "XYZ"));
}

#[test]
fn metadata_has_ten_fields_and_each_name_once() {
    let fields = |count: usize| (0..count).map(|at| datum(&format!("n{at}"), "v")).collect::<Vec<_>>();
    good(|request| request.metadata = fields(10));
    bad("metadata", |request| request.metadata = fields(11));
    bad("metadata.1.fieldName", |request| request.metadata = vec![datum("a", "1"), datum("a", "2")]);
    bad("metadata.0.fieldName", |request| request.metadata = vec![datum("", "1")]);
    bad("metadata.0.fieldName", |request| request.metadata = vec![datum(&"x".repeat(65), "1")]);
    good(|request| request.metadata = vec![datum(&"x".repeat(64), &"é".repeat(256))]);
    for value in ["", &"x".repeat(257), "a\u{202d}b", "a\rb"] {
        bad("metadata.0.fieldValue", |request| request.metadata = vec![datum("a", value)]);
    }
    bad("metadata", |request| request.metadata = vec![datum("a", &"\u{1f600}".repeat(2_500))]);
    let full = |each: usize| (0..8).map(|at| datum(&at.to_string(), &"x".repeat(each))).collect::<Vec<_>>();
    good(|request| request.metadata = full(255));
    bad("metadata", |request| request.metadata = full(256));
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults(|request| {
        *request = PaymentRequest {
            statement_description: Some("x".to_owned()),
            amount: Some("5.".to_owned()),
            msisdn: Some(Secret::new("1".to_owned())),
            language: Some("x".to_owned()),
            country: Some("x".to_owned()),
            reason: Some(String::new()),
            metadata: vec![datum("", "")],
            ..PaymentRequest::default()
        };
    });
    let fields: Vec<&str> = found.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    let all = ["depositId", "returnUrl", "statementDescription", "amount", "msisdn", "language", "country", "reason"];
    assert_eq!(fields, [&all[..], &["metadata.0.fieldName", "metadata.0.fieldValue"]].concat());
}

#[test]
fn requests_that_mean_the_same_are_the_same() {
    let meaning = |change: fn(&mut PaymentRequest)| {
        let mut request = PaymentRequest { amount: Some("5".to_owned()), ..request() };
        change(&mut request);
        check(&request).unwrap().meaning()
    };
    let same = meaning(|_| {});
    assert_eq!(same, meaning(|request| request.amount = Some("5.00".to_owned())));
    assert_eq!(same, meaning(|request| request.deposit_id = request.deposit_id.to_uppercase()));
    let others: [fn(&mut PaymentRequest); 9] = [
        |request| request.amount = None,
        |request| request.amount = Some("5.01".to_owned()),
        |request| request.return_url.push('/'),
        |request| request.statement_description = Some("Shop".to_owned()),
        |request| request.msisdn = Some(Secret::new("33612345678".to_owned())),
        |request| request.language = Some("EN".to_owned()),
        |request| request.country = Some("FRA".to_owned()),
        |request| request.reason = Some("Shop".to_owned()),
        |request| request.metadata = vec![datum("a", "b")],
    ];
    for (at, change) in others.into_iter().enumerate() {
        assert_ne!(same, meaning(change), "{at}");
    }
    let open = meaning(|request| request.metadata = vec![datum("a", "b")]);
    assert_ne!(open, meaning(|request| request.metadata = vec![Metadatum { pii: true, ..datum("a", "b") }]));
}

#[test]
fn nothing_personal_is_printed() {
    let asked = PaymentRequest {
        msisdn: Some(Secret::new("33612345678".to_owned())),
        metadata: vec![datum("name", "Ada Canary")],
        ..request()
    };
    let printed = format!("{asked:?} {:?}", check(&asked));
    assert!(!printed.contains("612345678") && !printed.contains("Canary"), "{printed}");
}
