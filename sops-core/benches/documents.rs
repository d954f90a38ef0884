//! How fast whole documents are parsed, encrypted, decrypted, updated and checked: bytes of plaintext a second, for
//! documents of two sizes, which shows whether the cost is linear.
//!
//! `cargo bench -p sops-core`. Keys cost nothing here: the data key is written down as it is.

use std::{fmt::Write as _, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sops_core::{
    DecryptOptions, EncryptOptions, EncryptedFile, Format, Keyring, PlainFile, SecretBytes,
    check::{Checker, Expected},
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

/// Wraps data keys by writing them down in hexadecimal.
struct Paper;

impl KeyService for Paper {
    fn wrap(&self, _key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let digits = share.expose().iter().map(|byte| format!("{byte:02x}"));
        Some(Ok(digits.collect()))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let byte = |at| u8::from_str_radix(entry.enc.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..entry.enc.len()).step_by(2).map(byte).collect();
        Some(
            bytes
                .map(SecretBytes::new)
                .ok_or_else(|| KeyError::new("not on paper")),
        )
    }
}

fn options() -> EncryptOptions {
    let recipient = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj".to_owned();
    EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]])
}

/// A document with `entries` settings of ten values each.
fn document(format: Format, entries: usize) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    match format {
        Format::Yaml => {
            for entry in 0..entries {
                let _ = write!(
                    text,
                    "# setting {entry}\nservice-{entry}:\n  user: app-{entry}\n  password: 'it''s {entry}'\n  \
                     port: {entry}\n  ratio: {entry}.5\n  enabled: true # or not\n  hosts:\n    - a{entry}\n    - b\n    \
                     - c\n  certificate: |\n    line one of {entry}\n    line two\n"
                );
            }
        }
        _ => {
            text.push_str("{\n");
            for entry in 0..entries {
                let comma = if entry == 0 { "" } else { ",\n" };
                let _ = write!(
                    text,
                    "{comma}  \"service-{entry}\": {{\n    \"user\": \"app-{entry}\",\n    \"password\": \
                     \"\\\"{entry}\\\"\",\n    \"port\": {entry},\n    \"ratio\": {entry}.5,\n    \"enabled\": true,\n    \
                     \"hosts\": [\"a{entry}\", \"b\", \"c\"],\n    \"certificate\": \"line one of {entry}\\nline \
                     two\\n\"\n  }}"
                );
            }
            text.push_str("\n}\n");
        }
    }
    text
}

fn documents(criterion: &mut Criterion) {
    let keyring = Keyring::new().with_service(Paper);
    let options = options();
    for format in [Format::Yaml, Format::Json] {
        let mut group = criterion.benchmark_group(format.name());
        group.sample_size(10);
        for entries in [100, 5_000] {
            let plain = document(format, entries);
            let parsed = PlainFile::parse(plain.as_bytes(), format).expect("a document");
            let encrypted = parsed.encrypt(&options, &keyring).expect("encrypts").bytes;
            let changed = plain.replacen("app-7", "app-eight", 1);
            let of_size = |what| BenchmarkId::new(what, plain.len());

            group.throughput(Throughput::Bytes(plain.len() as u64));
            group.bench_function(of_size("parse"), |bench| {
                bench.iter(|| PlainFile::parse(black_box(plain.as_bytes()), format).is_ok());
            });
            group.bench_function(of_size("encrypt"), |bench| {
                bench.iter(|| parsed.encrypt(black_box(&options), &keyring).is_ok());
            });
            group.bench_function(of_size("decrypt"), |bench| {
                bench.iter(|| {
                    EncryptedFile::parse(black_box(&encrypted), format)
                        .and_then(|file| file.unlock(&keyring))
                        .and_then(|unlocked| unlocked.decrypt(&DecryptOptions::default()))
                        .is_ok()
                });
            });
            group.bench_function(of_size("update"), |bench| {
                bench.iter(|| {
                    EncryptedFile::parse(black_box(&encrypted), format)
                        .and_then(|file| file.unlock(&keyring))
                        .and_then(|unlocked| unlocked.update(changed.as_bytes()))
                        .is_ok()
                });
            });
            group.bench_function(of_size("check"), |bench| {
                let checker = Checker::new();
                let expected = Expected::default();
                bench.iter(|| checker.check(black_box(&encrypted), format, Some(&expected)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
