//! From raw metadata to [`Metadata`].

use super::{KeyEntry, MasterKey, Metadata, MetadataError, Raw, fields::Fields, rfc3339};
use crate::crypto::select::Selector;

impl Metadata {
    /// Reads the value of the key `sops`, as leniently as the reference does.
    ///
    /// A missing or empty `mac` is not an error here; a file without one fails when its MAC is checked.
    ///
    /// # Errors
    ///
    /// Fails if it is not a mapping or empty; if no master key is named; if `lastmodified` or `created_at` is not an
    /// RFC 3339 text; if `version` is not Major.Minor.Patch; if there are two selectors; if a key has a value that
    /// cannot be read as what is expected.
    pub fn from_raw(raw: &Raw) -> Result<Self, MetadataError> {
        match raw {
            Raw::Map(entries) if entries.is_empty() => {
                return Err(MetadataError::new(ROOT, "the mapping is empty")
                    .with_hint("the metadata of the file was removed; restore it"));
            }
            Raw::Map(_) => {}
            other => {
                return Err(MetadataError::new(
                    ROOT,
                    format!("expected a mapping, found {}", other.describe()),
                ));
            }
        }
        let mut fields = Fields::new(ROOT, raw)?;
        let last_modified = fields.time("lastmodified")?;
        let groups = groups(&mut fields)?;
        let selector = selector(&mut fields)?;
        let shamir_threshold = Some(fields.count("shamir_threshold")?).filter(|&count| count > 0);
        let mac = fields.text("mac")?;
        let mac_only_encrypted = fields.boolean("mac_only_encrypted")?;
        let version = version(&mut fields)?;
        let mut unknown = fields.into_unknown();
        let layout = take_layout(&mut unknown);
        Ok(Self {
            groups,
            shamir_threshold,
            last_modified,
            mac,
            selector,
            mac_only_encrypted,
            version,
            layout,
            unknown,
        })
    }

    /// Returns the additional data the MAC is encrypted with: the time of the last change, to the second.
    ///
    /// # Errors
    ///
    /// Fails if [`last_modified`](Self::last_modified) was set to something else than an RFC 3339 time.
    pub fn mac_additional_data(&self) -> Result<String, MetadataError> {
        rfc3339::to_seconds(&self.last_modified).ok_or_else(|| {
            MetadataError::new(
                format!("{ROOT}.lastmodified"),
                "not a time in RFC 3339, so the MAC cannot be tied to it",
            )
        })
    }
}

const ROOT: &str = "sops";

/// The kinds of keys, in the order in which the reference puts them into a group when it reads a file.
const KINDS: [&str; 7] = [
    "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age",
];

/// Lists directly under `sops` win over `key_groups`.
fn groups(fields: &mut Fields<'_>) -> Result<Vec<Vec<KeyEntry>>, MetadataError> {
    let flat = group(fields)?;
    let listed = fields
        .mappings("key_groups")?
        .into_iter()
        .map(|mut fields| group(&mut fields))
        .collect::<Result<Vec<_>, _>>()?;
    if !flat.is_empty() {
        Ok(vec![flat])
    } else if !listed.is_empty() {
        Ok(listed)
    } else {
        Err(
            MetadataError::new(ROOT, "no keys found in file: no master key is named").with_hint(
                "the file cannot be decrypted without an entry under age, pgp, kms or another kind; restore it",
            ),
        )
    }
}

fn group(fields: &mut Fields<'_>) -> Result<Vec<KeyEntry>, MetadataError> {
    let mut group = Vec::new();
    for kind in KINDS {
        for entry in fields.mappings(kind)? {
            group.push(key_entry(kind, entry)?);
        }
    }
    Ok(group)
}

fn key_entry(kind: &str, mut fields: Fields<'_>) -> Result<KeyEntry, MetadataError> {
    let key = match kind {
        "kms" => MasterKey::Kms {
            arn: fields.text("arn")?,
            role: fields.text_if_set("role")?,
            context: fields.text_map("context")?.into_iter().collect(),
            aws_profile: fields.text("aws_profile")?,
        },
        "gcp_kms" => MasterKey::GcpKms {
            resource_id: fields.text("resource_id")?,
        },
        "hckms" => MasterKey::Hckms {
            key_id: hckms_key_id(&mut fields)?,
        },
        "azure_kv" => MasterKey::AzureKv {
            vault_url: fields.text("vault_url")?,
            name: fields.text("name")?,
            version: fields.text("version")?,
        },
        "hc_vault" => MasterKey::HcVault {
            vault_address: fields.text("vault_address")?,
            engine_path: fields.text("engine_path")?,
            key_name: fields.text("key_name")?,
        },
        "pgp" => MasterKey::Pgp {
            fingerprint: fields.text("fp")?,
        },
        _ => MasterKey::Age {
            recipient: fields.text("recipient")?,
        },
    };
    let enc = fields.text("enc")?;
    let created_at = match key {
        MasterKey::Age { .. } => None,
        _ => Some(fields.time("created_at")?),
    };
    Ok(KeyEntry {
        key,
        enc,
        created_at,
        unknown: fields.into_unknown(),
    })
}

fn hckms_key_id(fields: &mut Fields<'_>) -> Result<String, MetadataError> {
    let key_id = fields.text("key_id")?;
    match key_id.split_once(':') {
        Some((region, uuid)) if !region.trim().is_empty() && !uuid.trim().is_empty() => Ok(key_id),
        _ => Err(MetadataError::new(
            fields.path_of("key_id"),
            "expected REGION:KEY-UUID",
        )),
    }
}

fn selector(fields: &mut Fields<'_>) -> Result<Selector, MetadataError> {
    let mut found: Option<Selector> = None;
    for name in Selector::KEYS {
        let Some(text) = fields.text_if_set(name)? else {
            continue;
        };
        if let Some(first) = found.as_ref().and_then(Selector::key) {
            return Err(MetadataError::new(
                fields.path_of(name),
                format!(
                    "cannot use more than one of {} in the same file, and {first} is there too",
                    Selector::list_of_keys()
                ),
            ));
        }
        found = Selector::from_key(name, text);
    }
    Ok(found.unwrap_or_default())
}

fn version(fields: &mut Fields<'_>) -> Result<String, MetadataError> {
    let path = fields.path_of("version");
    let expected = "expected Major.Minor.Patch, like 3.13.2";
    match fields.text_if_set("version")? {
        None => Err(MetadataError::new(path, format!("missing; {expected}"))),
        Some(version) if is_version(&version) => Ok(version),
        Some(_) => Err(MetadataError::new(
            path,
            format!("not a version; {expected}"),
        )),
    }
}

/// Whether a text is a semantic version, or one of 1.x, which had a scheme of its own.
fn is_version(text: &str) -> bool {
    if text.starts_with("1.") {
        return true;
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = split_optional(text, '+');
    let (core, prerelease) = split_optional(text, '-');
    let numbers: Vec<&str> = core.split('.').collect();
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = |word: &str| word.len() > 1 && word.starts_with('0');
    numbers.len() == 3
        && numbers.iter().all(|number| {
            is_digits(number) && !has_leading_zero(number) && number.parse::<u64>().is_ok()
        })
        && prerelease.is_none_or(|text| {
            text.split('.')
                .all(|word| is_word(word) && !(is_digits(word) && has_leading_zero(word)))
        })
        && build.is_none_or(|text| text.split('.').all(is_word))
}

fn split_optional(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Our own key, unknown to the reference. Somebody else's key of that name is no text of ours, and stays unknown.
fn take_layout(unknown: &mut Vec<(String, Raw)>) -> Option<String> {
    let at = unknown
        .iter()
        .position(|(key, value)| key == "layout" && matches!(value, Raw::Text(_)))?;
    match unknown.remove(at).1 {
        Raw::Text(layout) => Some(layout),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_support::{json, minimal};

    fn read(text: &str) -> Result<Metadata, MetadataError> {
        Metadata::from_raw(&json(text))
    }

    /// The minimal metadata with `key` set to a JSON value.
    fn with(key: &str, value: &str) -> Result<Metadata, MetadataError> {
        Metadata::from_raw(&minimal(key, value))
    }

    fn failing_key(result: Result<Metadata, MetadataError>) -> String {
        result.expect_err("must be refused").key
    }

    #[test]
    fn minimal_metadata() {
        let metadata = with("unencrypted_suffix", "\"_unencrypted\"").expect("valid");
        assert_eq!(metadata.groups.len(), 1);
        assert_eq!(metadata.selector, Selector::default());
        assert_eq!(metadata.shamir_threshold, None);
        assert!(metadata.unknown.is_empty());
        assert_eq!(metadata.mac, "ENC[]");
    }

    #[test]
    fn not_metadata() {
        assert_eq!(failing_key(read("\"text\"")), "sops");
        assert_eq!(failing_key(read("null")), "sops");
        assert_eq!(failing_key(read("[]")), "sops");
        assert_eq!(failing_key(read("{}")), "sops");
        let error = with("age", "[]").expect_err("no keys");
        assert!(error.message.contains("no keys found in file"), "{error}");
        assert_eq!(failing_key(with("age", "null")), "sops");
        assert_eq!(failing_key(with("age", "{}")), "sops");
    }

    #[test]
    fn times_must_be_rfc3339_texts() {
        assert_eq!(
            failing_key(with("lastmodified", "null")),
            "sops.lastmodified"
        );
        assert_eq!(
            failing_key(with("lastmodified", "\"\"")),
            "sops.lastmodified"
        );
        assert_eq!(failing_key(with("lastmodified", "5")), "sops.lastmodified");
        assert_eq!(
            failing_key(with("lastmodified", "\"2024-05-01\"")),
            "sops.lastmodified"
        );
        assert_eq!(
            failing_key(with("pgp", r#"[{"fp":"AB","enc":"x"}]"#)),
            "sops.pgp[0].created_at"
        );
        assert_eq!(
            failing_key(with("pgp", r#"{"fp":"AB","enc":"x","created_at":"x"}"#)),
            "sops.pgp.created_at"
        );
        let Raw::Map(mut entries) = minimal("x", "1") else {
            panic!("a mapping");
        };
        entries.retain(|(key, _)| key != "lastmodified");
        entries.push((
            "lastmodified".to_owned(),
            Raw::Time("2024-05-01T12:00:00Z".to_owned()),
        ));
        let error = Metadata::from_raw(&Raw::Map(entries)).expect_err("unquoted");
        assert_eq!(error.key, "sops.lastmodified");
        assert!(error.hint.is_some());
    }

    #[test]
    fn versions() {
        for good in [
            "\"3.13.2\"",
            "\"9.9.9\"",
            "\"v3.0.0\"",
            "\"1.15\"",
            "1.15",
            "\"3.0.0-rc.1+b.2\"",
            "\"3.0.0+b-2\"",
        ] {
            assert!(with("version", good).is_ok(), "{good}");
        }
        for bad in [
            "null",
            "\"\"",
            "\"3.13\"",
            "3.13",
            "3",
            "\"foo\"",
            "\"3.13.2.1\"",
            "\"3.013.2\"",
            "\"3.1.-2\"",
            "\"3.1.2-\"",
            "\"3.1.2-01\"",
            "\"3.1.2+\"",
            "\"vv3.1.2\"",
            "[]",
            "\"3.1.2 \"",
        ] {
            assert_eq!(failing_key(with("version", bad)), "sops.version", "{bad}");
        }
    }

    #[test]
    fn names_in_any_case() {
        let metadata = read(
            r#"{"Age":[{"Recipient":"r","ENC":"e"}],"LastModified":"2024-05-01T12:00:00Z",
                "MAC":"m","VERSION":"3.0.0","Encrypted_Regex":"x"}"#,
        )
        .expect("case does not count");
        assert_eq!(metadata.mac, "m");
        assert_eq!(metadata.groups[0][0].enc, "e");
        assert_eq!(metadata.selector, Selector::EncryptedRegex("x".to_owned()));
        assert!(metadata.unknown.is_empty());
    }

    #[test]
    fn lenient_types() {
        for (value, expected) in [
            ("true", true),
            ("1", true),
            ("0", false),
            ("1.5", true),
            ("\"1\"", true),
            ("\"t\"", true),
            ("\"true\"", true),
            ("null", false),
            ("\"\"", false),
            ("\"False\"", false),
        ] {
            let metadata = with("mac_only_encrypted", value).expect(value);
            assert_eq!(metadata.mac_only_encrypted, expected, "{value}");
        }
        for bad in ["\"yes\"", "\"tRUE\"", "[]", "{}"] {
            assert_eq!(
                failing_key(with("mac_only_encrypted", bad)),
                "sops.mac_only_encrypted"
            );
        }
        for (value, expected) in [
            ("2", Some(2)),
            ("\"2\"", Some(2)),
            ("1.9", Some(1)),
            ("true", Some(1)),
            ("0", None),
            ("-1", None),
            ("\"-1\"", None),
            ("null", None),
            ("\"\"", None),
        ] {
            let metadata = with("shamir_threshold", value).expect(value);
            assert_eq!(metadata.shamir_threshold, expected, "{value}");
        }
        for bad in ["\"1.9\"", "\"two\"", "[]", "{}", "1e300"] {
            assert_eq!(
                failing_key(with("shamir_threshold", bad)),
                "sops.shamir_threshold",
                "{bad}"
            );
        }
        let metadata = with("age", r#"{"recipient":5,"enc":true}"#).expect("lenient");
        assert_eq!(
            metadata.groups[0][0].key,
            MasterKey::Age {
                recipient: "5".to_owned()
            }
        );
        assert_eq!(metadata.groups[0][0].enc, "1");
        assert!(with("kms", "null").is_ok());
        assert!(with("kms", "[]").is_ok());
        assert!(with("kms", "{}").is_ok());
        assert!(with("mac", "null").expect("absent").mac.is_empty());
    }

    #[test]
    fn entries_of_the_wrong_kind() {
        assert_eq!(failing_key(with("age", "\"age1…\"")), "sops.age");
        assert_eq!(failing_key(with("age", "5")), "sops.age");
        assert_eq!(failing_key(with("age", "[\"age1…\"]")), "sops.age[0]");
        assert_eq!(failing_key(with("age", "[[]]")), "sops.age[0]");
        assert_eq!(
            failing_key(with("age", r#"[{"enc":["x"]}]"#)),
            "sops.age[0].enc"
        );
        assert_eq!(
            failing_key(with("age", r#"[{"enc":"x"},{"recipient":{}}]"#)),
            "sops.age[1].recipient"
        );
        for key_id in ["\"\"", "\"region\"", "\":uuid\"", "\"region: \"", "null"] {
            let entry =
                format!(r#"[{{"key_id":{key_id},"enc":"x","created_at":"2024-05-01T12:00:00Z"}}]"#);
            assert_eq!(failing_key(with("hckms", &entry)), "sops.hckms[0].key_id");
        }
        let context = |context: &str| {
            with(
                "kms",
                &format!(
                    r#"[{{"arn":"a","context":{context},"enc":"x","created_at":"2024-05-01T12:00:00Z"}}]"#
                ),
            )
        };
        assert_eq!(failing_key(context("\"a:b\"")), "sops.kms[0].context");
        assert_eq!(
            failing_key(context("{\"a\":null}")),
            "sops.kms[0].context.a"
        );
        assert_eq!(failing_key(context("{\"a\":{}}")), "sops.kms[0].context.a");
        assert!(context("{\"a\":1,\"b\":\"x\"}").is_ok());
        assert!(context("[{\"a\":1},{\"b\":\"x\"}]").is_ok());
        assert!(context("null").is_ok());
    }

    #[test]
    fn an_entry_may_lack_its_recipient() {
        let metadata = with("age", r#"[{"enc":"x"}, null]"#).expect("lenient");
        assert_eq!(metadata.groups[0].len(), 2);
    }

    #[test]
    fn selectors_exclude_each_other() {
        let error = read(
            r#"{"age":[{}],"lastmodified":"2024-05-01T12:00:00Z","version":"3.0.0",
                "encrypted_regex":"a","unencrypted_suffix":"b"}"#,
        )
        .expect_err("two selectors");
        assert!(
            error.message.contains("cannot use more than one of"),
            "{error}"
        );
        assert_eq!(
            with("unencrypted_suffix", "\"\"")
                .expect("as absent")
                .selector,
            Selector::default()
        );
        assert_eq!(
            with("encrypted_regex", "\"\"").expect("as absent").selector,
            Selector::default()
        );
    }

    #[test]
    fn flat_lists_win_over_groups() {
        let metadata = with("key_groups", r#"[{"age":[{}]},{"age":[{}]}]"#).expect("valid");
        assert_eq!(metadata.groups.len(), 1);
        assert!(metadata.unknown.is_empty());
        let metadata = read(
            r#"{"age":[],"key_groups":[{"age":[{}]},{"age":[],"pgp":[]}],
                "lastmodified":"2024-05-01T12:00:00Z","version":"3.0.0"}"#,
        )
        .expect("an empty group is one all the same");
        assert_eq!(metadata.groups.len(), 2);
        assert!(metadata.groups[1].is_empty());
    }

    #[test]
    fn unknown_keys_are_kept() {
        let metadata = with("team", r#"{"a":[1,null]}"#).expect("valid");
        assert_eq!(metadata.unknown[0].0, "team");
        let metadata = with("age", r#"[{"recipient":"r","note":"n"}]"#).expect("valid");
        assert_eq!(
            metadata.groups[0][0].unknown,
            vec![("note".to_owned(), Raw::Text("n".to_owned()))]
        );
        let metadata = with("layout", "\"ENC[…]\"").expect("valid");
        assert_eq!(metadata.layout.as_deref(), Some("ENC[…]"));
        let metadata = with("layout", "5").expect("valid");
        assert_eq!(metadata.layout, None);
        assert_eq!(metadata.unknown, vec![("layout".to_owned(), Raw::Int(5))]);
    }

    #[test]
    fn additional_data_of_the_mac() {
        let additional_data = |time: &str| {
            with("lastmodified", time)
                .and_then(|metadata| metadata.mac_additional_data())
                .expect("a time")
        };
        assert_eq!(
            additional_data("\"2024-05-01T12:00:00.5+00:00\""),
            "2024-05-01T12:00:00Z"
        );
        assert_eq!(
            additional_data("\"2024-05-01T12:00:00-07:00\""),
            "2024-05-01T12:00:00-07:00"
        );
        let mut metadata = with("x", "1").expect("valid");
        metadata.last_modified = "soon".to_owned();
        assert!(metadata.mac_additional_data().is_err());
    }
}
