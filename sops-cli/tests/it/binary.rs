//! Binary files: any bytes, both ways with the reference, and its own files.

use std::path::Path;

use crate::support::{
    Program::{Ours, Reference},
    Scratch, cases, has_reference, read_testdata, testdata,
};

fn inputs() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut random = |length: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect()
    };
    let all = (0..=255).collect();
    let text = b"sops: no, not encrypted\n".to_vec();
    vec![
        Vec::new(),
        vec![0],
        all,
        text,
        random(49_153),
        random(3_000_000),
    ]
}

#[test]
fn any_bytes_go_both_ways() {
    for input in inputs() {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, "a.bin", &input).ok();
        assert!(scratch.decrypt(Ours, "a.bin", &encrypted).ok() == input);
        if !has_reference() {
            continue;
        }
        assert!(scratch.decrypt(Reference, "a.bin", &encrypted).ok() == input);
        let theirs = scratch.encrypt(Reference, "a.bin", &input).ok();
        assert!(scratch.decrypt(Ours, "a.bin", &theirs).ok() == input);
    }
}

#[test]
fn files_of_the_reference_open() {
    let mut opened = 0;
    for case in cases("golden/ok/cases.json") {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let is_binary = Path::new(text("input"))
            .extension()
            .is_some_and(|extension| extension == "bin" || extension == "pem");
        if !is_binary
            || case["encrypt_exit"] != 0
            || !["age", "age-two", "age-pgp"].contains(&text("keys"))
        {
            continue;
        }
        let file = testdata("golden").join(text("encrypted"));
        let ran = Scratch::new().run(Ours, [Path::new("decrypt"), &file]);
        assert_eq!(ran.code, 0, "{}: {}", file.display(), ran.stderr);
        let input = read_testdata(&format!("golden/{}", text("input")));
        assert!(ran.stdout == input, "{}", file.display());
        opened += 1;
    }
    assert!(opened > 0);
}

#[test]
fn nothing_of_a_damaged_file_is_printed() {
    let scratch = Scratch::new();
    let input = vec![7; 200_000];
    let mut encrypted = scratch.encrypt(Ours, "a.bin", &input).ok();
    let middle = encrypted.len() / 2;
    encrypted[middle] = if encrypted[middle] == b'A' {
        b'B'
    } else {
        b'A'
    };
    for damaged in [&encrypted[..], &encrypted[..middle]] {
        let ran = scratch.decrypt(Ours, "a.bin", damaged);
        assert_ne!(ran.code, 0);
        assert!(ran.stdout.is_empty());
    }
}

/// What the reference makes of a JSON file under a name that says nothing of it.
#[test]
fn json_under_another_name_loses_nothing() {
    if !has_reference() {
        return;
    }
    for plain in [
        r#"{"data":"x","other":"y","open_unencrypted":1}"#,
        r#"{"user":"a","port":5}"#,
        r#"{"data":{"a":"b"}}"#,
    ] {
        let scratch = Scratch::new();
        let theirs = scratch
            .encrypt(Reference, "plain.json", plain.as_bytes())
            .ok();
        let values = |name: &str| {
            let types = ["--input-type", "json", "--output-type", "json"];
            let arguments = ["decrypt"].into_iter().chain(types).chain([name]);
            let ran = scratch.run(Reference, arguments);
            serde_json::from_slice::<serde_json::Value>(&ran.ok()).expect("JSON")
        };
        scratch.write("s.enc", &theirs);
        let before = values("s.enc");
        scratch.run(Ours, ["rotate", "-i", "s.enc"]).ok();
        assert_eq!(values("s.enc"), before);

        for format in ["json", "yaml"] {
            let arguments = ["decrypt", "--output-type", format, "s.enc"];
            let [ours, reference] =
                [Ours, Reference].map(|program| scratch.run(program, arguments).ok());
            assert_eq!(ours, reference, "{plain}: {format}");
        }
        let ours = scratch.run(Ours, ["decrypt", "s.enc"]);
        let reference = scratch.run(Reference, ["decrypt", "s.enc"]);
        assert_eq!(
            (ours.code, &ours.stdout),
            (reference.code, &reference.stdout)
        );
        assert!(
            ours.stderr.contains("--output-type json"),
            "{}",
            ours.stderr
        );

        scratch.write("t.enc", scratch.read("s.enc"));
        scratch.run(Ours, ["set", "t.enc", "[\"more\"]", "2"]).ok();
        let mut expected = before.clone();
        expected["more"] = 2.into();
        assert_eq!(values("t.enc"), expected);
    }
    // One text is a binary file, whatever it was read as.
    let scratch = Scratch::new();
    let key = scratch.encrypt(Reference, "key.pem", b"KEY\n").ok();
    scratch.write("key.enc", key);
    for input in ["json", "binary"] {
        let arguments = ["decrypt", "--input-type", input, "key.enc"];
        for program in [Ours, Reference] {
            assert_eq!(scratch.run(program, arguments).ok(), b"KEY\n", "{input}");
        }
    }
}
