use std::{collections::BTreeMap, fs};

use serde_json::Value;

use super::*;
use crate::{crypto::select::Selector, metadata::MasterKey};

const PATH: &str = "/project/.sops.yaml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new(PATH))
}

fn valid(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The rule for `/project/x.yaml`.
fn rule(text: &str) -> Result<CreationRule, ConfigError> {
    valid(text).rule_for(Path::new("/project/x.yaml")).cloned()
}

/// Line and column of what is refused when the file is read.
fn refused_at(text: &str) -> (usize, usize) {
    let error = parse(text).expect_err(text);
    assert!(
        matches!(
            error.kind,
            ConfigErrorKind::Invalid | ConfigErrorKind::NoConfiguration
        ),
        "{error}"
    );
    let position = error.position.expect("all have a place");
    assert!(
        error
            .to_string()
            .starts_with(&format!("{PATH}:{position}: ")),
        "{error}"
    );
    (position.line, position.column)
}

/// Line and message of the only warning.
fn warning(text: &str) -> (usize, String) {
    let config = valid(text);
    let [warning] = config.warnings() else {
        panic!("{:?}\n{text}", config.warnings());
    };
    let hint = warning.hint.clone().unwrap_or_default();
    let line = warning.position.map_or(0, |position| position.line);
    (line, format!("{} | {hint}", warning.message))
}

fn recipients(rule: &CreationRule) -> Vec<Vec<String>> {
    rule.groups()
        .iter()
        .map(|group| group.iter().map(ToString::to_string).collect())
        .collect()
}

/// What the reference chose, from `testdata/rules/cases.json`.
#[test]
fn chooses_as_the_reference_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/rules/cases.json");
    let cases = fs::read_to_string(path).expect("the cases are in the repository");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("they are valid JSON");
    assert_eq!(cases.len(), 35);
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let name = text("name");
        let file = Path::new("/project").join(text("path"));
        let rule = parse(text("config")).and_then(|config| config.rule_for(&file).cloned());
        match (name, rule) {
            // Refused by what uses the rule: there is no key, a key that no backend takes, too large a threshold.
            ("empty-rule", Ok(rule)) => assert_eq!(rule.groups(), vec![vec![]]),
            ("bad-recipient", Ok(rule)) => assert_eq!(rule.groups()[0].len(), 1),
            ("groups-threshold-too-high", Ok(rule)) => assert_eq!(rule.shamir_threshold, Some(9)),
            (_, Ok(rule)) => agrees(name, case, &rule),
            ("bad-yaml", Err(error)) => {
                assert_eq!(error.kind, ConfigErrorKind::NoConfiguration);
            }
            (_, Err(error)) => {
                // Behind the reason, the reference's messages quote the pattern.
                let expected = text("message")
                    .split(": error parsing")
                    .next()
                    .unwrap_or_default();
                let expected = expected.trim_start_matches("error loading config: ");
                assert!(!expected.is_empty(), "{name}: {error}");
                assert!(error.to_string().contains(expected), "{name}: {error}");
            }
        }
    }
}

fn agrees(name: &str, case: &Value, rule: &CreationRule) {
    let texts = |key: &str| -> Vec<String> {
        let items = case[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(case["exit"], 0, "{name}");
    let recipients: Vec<String> = rule
        .groups()
        .concat()
        .iter()
        .map(|key| match key {
            MasterKey::Age { recipient } => recipient.clone(),
            other => other.kind().to_owned(),
        })
        .collect();
    assert_eq!(recipients, texts("recipients"), "{name}");
    assert_eq!(case["groups"], rule.groups().len(), "{name}");

    let selector = rule.selector.clone().unwrap_or_default();
    let matcher = selector
        .compile()
        .expect("checked when the rule was chosen");
    let clear: Vec<&str> = ["value", "other"]
        .into_iter()
        .filter(|key| !matcher.selected(matcher.key(key.as_bytes()), false))
        .collect();
    assert_eq!(clear, texts("clear"), "{name}");

    let mut metadata: Vec<&str> = selector.key().into_iter().collect();
    if rule.mac_only_encrypted {
        metadata.push("mac_only_encrypted");
    }
    if rule.groups().len() > 1 {
        metadata.push("shamir_threshold");
    }
    if name != "json-as-binary" {
        assert_eq!(metadata, texts("metadata"), "{name}");
    }
}

#[test]
fn paths_are_relative_to_the_folder_of_the_configuration() {
    let config = valid("creation_rules:\n  - path_regex: ^a/b\n    age: age1x\n");
    for file in ["/project/a/b", "/project/./c/../a/b.yaml", "/project//a/b"] {
        assert!(config.rule_for(Path::new(file)).is_ok(), "{file}");
    }
    for file in [
        "/project/c/a/b",
        "/a/b",
        "/project2/a/b",
        "/other/a/b",
        "/project",
    ] {
        let error = config.rule_for(Path::new(file)).expect_err(file);
        assert_eq!(error.kind, ConfigErrorKind::NoMatchingRule);
        assert!(error.message.contains("line 2: ^a/b"), "{error}");
    }
    let config = valid("creation_rules:\n  - path_regex: ^/etc/\n    age: age1x\n");
    assert!(config.rule_for(Path::new("/etc/x")).is_ok());
    // In the root folder nothing is cut.
    let config = Config::parse(
        "creation_rules:\n  - path_regex: ^/etc/\n    age: age1x\n",
        Path::new("/.sops.yaml"),
    )
    .expect("valid");
    assert!(config.rule_for(Path::new("/etc/x")).is_ok());
}

#[test]
fn relative_paths_are_taken_from_the_working_directory() {
    let config = Config::parse(
        "creation_rules:\n  - path_regex: ^a/b$\n    age: age1x\n",
        Path::new(".sops.yaml"),
    )
    .expect("valid");
    assert!(config.rule_for(Path::new("a/b")).is_ok());
    assert!(config.rule_for(Path::new("./c/../a/b")).is_ok());
    assert!(config.rule_for(Path::new("../a/b")).is_err());
}

#[test]
fn every_kind_of_key_in_the_order_of_the_reference() {
    let rule = rule(
        "creation_rules:
  - hc_vault_transit_uri: https://h:8200/v1/transit/keys/n
    azure_keyvault: https://v/keys/n/1
    hckms: ['r:1', 'r:2']
    gcp_kms: projects/p
    kms: 'arn:aws:kms:1+arn:aws:iam::role/x, arn:aws:kms:2'
    aws_profile: me
    pgp: [A B C, 'D,E']
    age:
      - age1b
      - age1a
      - age1b
",
    )
    .expect("a rule");
    assert_eq!(
        recipients(&rule),
        [[
            "age1b",
            "age1a",
            "ABC",
            "D",
            "E",
            "arn:aws:kms:1+arn:aws:iam::role/x||me",
            "arn:aws:kms:2||me",
            "projects/p",
            "r:1",
            "r:2",
            "https://v/keys/n/1",
            "https://h:8200/v1/transit/keys/n",
        ]]
    );
    let context = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let with_context = rule
        .groups_with_context(&context)
        .concat()
        .into_iter()
        .filter(|key| {
            matches!(key, MasterKey::Kms { context, aws_profile, .. }
                if context.len() == 1 && aws_profile == "me")
        })
        .count();
    assert_eq!(with_context, 2);
}

#[test]
fn key_groups() {
    let rule = rule(
        "creation_rules:
  - shamir_threshold: 2
    key_groups:
      - merge:
          - age: [age1b]
            merge:
              - pgp: [F]
          - age: [age1b, age1a]
        kms:
          - arn: arn:1
            role: r
            context: {b: 1, a: x}
            aws_profile: p
          - {arn: 'arn:1'}
          - {arn: 'arn:1'}
        gcp_kms: [{resource_id: g}]
        hckms: [{key_id: 'r:1'}]
        azure_keyvault: [{vaultUrl: 'https://v', key: n}]
        hc_vault: ['https://h/v1/e/keys/n']
        age: ['age1a,age1c']
      - pgp: [1234567890]
",
    )
    .expect("a rule");
    assert_eq!(rule.shamir_threshold, Some(2));
    assert_eq!(
        recipients(&rule),
        [
            vec![
                "F",
                "age1b",
                "age1a",
                "age1c",
                "arn:1+r|a:x,b:1|p",
                "arn:1",
                "g",
                "r:1",
                "https://v/keys/n/",
                "https://h/v1/e/keys/n"
            ],
            vec!["1234567890"]
        ]
    );
    let MasterKey::Kms { context, .. } = &rule.groups()[0][4] else {
        panic!("a KMS key");
    };
    assert_eq!(context["b"], "1");
    // The caller's context is for keys that cannot have one of their own.
    let context = BTreeMap::from([("c".to_owned(), "d".to_owned())]);
    assert_eq!(rule.groups_with_context(&context), rule.groups());
}

#[test]
fn merged_mappings() {
    let rule = rule(
        "creation_rules:
  - &base
    path_regex: ^never$
    age: age1base
    encrypted_regex: base
  - <<: *base
    path_regex: ''
    encrypted_regex: own
",
    )
    .expect("a rule");
    assert_eq!(recipients(&rule), [["age1base"]]);
    assert_eq!(
        rule.selector,
        Some(Selector::EncryptedRegex("own".to_owned()))
    );
    let rule = self::rule(
        "a: &a {age: age1a}
b: &b {age: age1b, pgp: B}
creation_rules:
  - <<: [*a, *b]
",
    )
    .expect("a rule");
    assert_eq!(recipients(&rule), [["age1a", "B"]]);
    assert_eq!(refused_at("creation_rules:\n  - <<: text\n").0, 2);
}

#[test]
fn anchors_may_stand_under_any_key() {
    let config = valid("keys:\n  - &k age1a\ncreation_rules:\n  - age: [*k]\n");
    assert_eq!(config.warnings(), []);
    let (line, message) = warning("keys:\n  - age1a\ncreation_rules: []\n");
    assert_eq!(line, 1);
    assert!(message.contains("unknown key \"keys\""), "{message}");
}

#[test]
fn unknown_keys_are_told() {
    for (text, line, hint) in [
        ("creation_rule: []\n", 1, "did you mean creation_rules?"),
        (
            "creation_rules:\n  - path_regexp: x\n",
            2,
            "did you mean path_regex?",
        ),
        ("creation_rules:\n  - Age: age1a\n", 2, "did you mean age?"),
        (
            "creation_rules:\n  - encrypted-regex: a\n",
            2,
            "did you mean encrypted_regex?",
        ),
        ("creation_rules:\n  - owner: me\n", 2, "| "),
        (
            "creation_rules:\n  - key_groups:\n      - azure_kv: []\n",
            3,
            "| ",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - kms: [{arn: a, rol: b}]\n",
            3,
            "did you mean role?",
        ),
        (
            "creation_rules:\n  - key_groups:\n      - azure_keyvault: [{vaultUrl: a, key: b, vaultURL: c}]\n",
            3,
            "did you mean vaultUrl?",
        ),
        ("stores:\n  yml: {}\n", 2, "did you mean yaml?"),
        (
            "stores:\n  yaml:\n    intend: 2\n",
            3,
            "did you mean indent?",
        ),
        (
            "stores:\n  ini:\n    indent: 2\n",
            3,
            "unknown key \"indent\" in stores.ini",
        ),
    ] {
        let (at, message) = warning(text);
        assert_eq!(at, line, "{message}");
        assert!(message.contains(hint), "{message}\n{text}");
    }
}

#[test]
fn what_has_no_effect_is_told() {
    let (line, message) =
        warning("creation_rules:\n  - key_groups: [{age: [age1a]}]\n    age: age1b\n");
    assert_eq!(line, 3);
    assert!(message.starts_with("age has no effect"), "{message}");
    let (line, message) =
        warning("creation_rules:\n  - age: age1a\n  - path_regex: x\n    age: age1b\n");
    assert_eq!(line, 3);
    assert!(message.contains("never used"), "{message}");
    let (line, message) = warning("creation_rules: []\n---\na: 1\n");
    assert!(line >= 2 && message.contains("first document"), "{message}");
}

#[test]
fn a_broken_rule_stands_in_the_way_of_its_own_files_only() {
    for (broken, column, reason) in [
        ("path_regex: 'x['", 17, "missing closing ]"),
        ("path_regex: ^(?!prod)", 17, "look-ahead is not in RE2"),
    ] {
        let text = format!("creation_rules:\n  - path_regex: y\n    age: age1a\n  - {broken}\n");
        let config = valid(&text);
        assert!(config.rule_for(Path::new("/project/y")).is_ok());
        let error = config.rule_for(Path::new("/project/z")).expect_err(broken);
        assert_eq!(error.kind, ConfigErrorKind::InvalidRule);
        assert!(error.message.contains(reason), "{error}");
        let position = error.position.expect("a place");
        assert_eq!((position.line, position.column), (4, column));
        assert_eq!(config.warnings().len(), 1);
    }
    for broken in [
        "encrypted_regex: '('",
        "unencrypted_comment_regex: a**",
        "{encrypted_regex: a, unencrypted_suffix: b}",
        "age: someone",
        "age: 5",
        "age: {a: b}",
        "age: [age1a, 5]",
        "age: [null]",
        "age: [age1a, '']",
        "pgp: 1234567890",
        "pgp: [[a]]",
        "hckms: [region]",
        "azure_keyvault: https://v/n",
        "hc_vault_transit_uri: h/v1/transit/keys/n",
        "key_groups: [{age: [someone]}]",
        "key_groups: [{pgp: ['']}]",
        "key_groups: [{kms: [{role: a}]}]",
        "key_groups: [{kms: [{}]}]",
        "key_groups: [{kms: [{arn: a, context: {a: null}}]}]",
        "key_groups: [{hckms: [{key_id: a}]}]",
        "key_groups: [{gcp_kms: [{}]}]",
        "key_groups: [{azure_keyvault: [{key: a}]}]",
        "key_groups: [{merge: [{hc_vault: [a]}]}]",
    ] {
        let error = rule(&format!("creation_rules:\n  - {broken}\n")).expect_err(broken);
        assert_eq!(
            error.kind,
            ConfigErrorKind::InvalidRule,
            "{broken}: {error}"
        );
        assert_eq!(
            error.position.map(|position| position.line),
            Some(2),
            "{error}"
        );
        let unused = format!("creation_rules:\n  - age: age1a\n  - {broken}\n");
        assert!(rule(&unused).is_ok(), "{broken}");
    }
}

#[test]
fn wrong_types() {
    for (text, place) in [
        ("- a\n", (1, 1)),
        ("text\n", (1, 1)),
        ("creation_rules: {}\n", (1, 17)),
        ("creation_rules: text\n", (1, 17)),
        ("creation_rules:\n  - text\n", (2, 5)),
        ("creation_rules:\n  - - a\n", (2, 5)),
        ("creation_rules:\n  - path_regex: [a]\n", (2, 17)),
        ("creation_rules:\n  - aws_profile: {}\n", (2, 18)),
        ("creation_rules:\n  - hckms: 'r:1'\n", (2, 12)),
        ("creation_rules:\n  - key_groups: {age: [a]}\n", (2, 17)),
        ("creation_rules:\n  - key_groups: [age1a]\n", (2, 18)),
        ("creation_rules:\n  - key_groups: [{age: age1a}]\n", (2, 24)),
        ("creation_rules:\n  - key_groups: [{age: [[a]]}]\n", (2, 25)),
        ("creation_rules:\n  - key_groups: [{kms: [arn]}]\n", (2, 25)),
        ("creation_rules:\n  - key_groups: [{merge: {}}]\n", (2, 26)),
        ("creation_rules:\n  - shamir_threshold: two\n", (2, 23)),
        ("creation_rules:\n  - shamir_threshold: -1\n", (2, 23)),
        ("creation_rules:\n  - shamir_threshold: '2'\n", (2, 23)),
        ("creation_rules:\n  - shamir_threshold: 1.5\n", (2, 23)),
        ("creation_rules:\n  - mac_only_encrypted: maybe\n", (2, 25)),
        ("creation_rules:\n  - mac_only_encrypted: 1\n", (2, 25)),
        ("creation_rules:\n  - encrypted_regex: [a]\n", (2, 22)),
        ("stores: []\n", (1, 9)),
        ("stores:\n  yaml: 2\n", (2, 9)),
        ("stores:\n  yaml:\n    indent: two\n", (3, 13)),
        ("stores:\n  yaml:\n    indent: -1\n", (3, 13)),
        ("stores:\n  json:\n    indent: -2\n", (3, 13)),
        ("stores:\n  json:\n    indent: 99999999\n", (3, 13)),
        ("stores:\n  layout: 0\n", (2, 11)),
    ] {
        assert_eq!(refused_at(text), place, "{text}");
    }
}

#[test]
fn not_yaml() {
    for text in ["a: [\n", "a: 1\na: 2\n", "\ta: 1\n", "a: *b\n", "a: 'x\n"] {
        refused_at(text);
    }
    assert!(Config::load(Path::new("/nowhere/.sops.yaml")).is_err());
}

#[test]
fn without_rules() {
    for text in [
        "",
        "\n",
        "# comment\n",
        "{}\n",
        "---\n",
        "null\n",
        "creation_rules:\n",
        "stores: {}\n",
    ] {
        let error = rule(text).expect_err(text);
        assert_eq!(error.kind, ConfigErrorKind::NoCreationRules, "{text:?}");
    }
    let error = rule("creation_rules: []\n").expect_err("no rule");
    assert_eq!(error.kind, ConfigErrorKind::NoMatchingRule);
    let error = rule("creation_rules: [null]\n").expect_err("null items count as not there");
    assert_eq!(error.kind, ConfigErrorKind::NoMatchingRule);
    let rule = rule("creation_rules: [{}]\n").expect("an empty rule");
    assert_eq!(rule.groups(), vec![vec![]]);
}

#[test]
fn null_items_count_as_not_there() {
    let rule = rule(
        "creation_rules:
  - null
  - age: age1flat
    key_groups: [null]
",
    )
    .expect("a rule");
    assert_eq!(recipients(&rule), [["age1flat"]]);
    let rule = self::rule(
        "creation_rules:
  - key_groups: [{age: [age1a, null], kms: [null], merge: [null]}]
    shamir_threshold: 2.0
",
    )
    .expect("a rule");
    assert_eq!(recipients(&rule), [["age1a"]]);
    assert_eq!(rule.shamir_threshold, Some(2));
}

#[test]
fn scalars_that_count_as_texts() {
    let config = valid(
        "creation_rules:\n  - path_regex: 2024\n    unencrypted_suffix: true\n    mac_only_encrypted: yes\n",
    );
    let rule = config
        .rule_for(Path::new("/project/2024.yaml"))
        .expect("a rule");
    assert_eq!(
        rule.selector,
        Some(Selector::UnencryptedSuffix("true".to_owned()))
    );
    assert!(rule.mac_only_encrypted);
}

#[test]
fn stores() {
    let stores = valid(
        "stores:
  yaml: {indent: 2}
  json: {indent: 0}
  json_binary: {indent: -1}
  dotenv: {}
  ini:
  layout: no
",
    );
    assert_eq!(
        *stores.stores(),
        StoresConfig {
            yaml_indent: Some(2),
            json_indent: Some(0),
            json_binary_indent: None,
            layout: false,
        }
    );
    assert_eq!(stores.warnings(), []);
    assert_eq!(
        *valid("stores: {yaml: {indent: 0}}\n").stores(),
        StoresConfig::default()
    );
}

#[test]
fn discovery() {
    let base = std::env::temp_dir().join(format!("sops-discovery-{}", std::process::id()));
    let inner = base.join("a/b");
    fs::create_dir_all(&inner).expect("a folder for the test");
    fs::write(base.join("a/.sops.yml"), "").expect("a file for the test");
    let found = Config::discover(&inner);
    assert!(found.path.is_none_or(|path| !path.starts_with(&base)));
    assert_eq!(
        found.warning.map(|warning| warning.path),
        Some(base.join("a/.sops.yml"))
    );
    fs::write(base.join(".sops.yaml"), "").expect("a file for the test");
    let found = Config::discover(&inner);
    assert_eq!(found.path, Some(base.join(".sops.yaml")));
    assert!(found.warning.is_some());
    fs::write(inner.join(".sops.yaml"), "").expect("a file for the test");
    let found = Config::discover(&inner);
    assert_eq!(found.path, Some(inner.join(".sops.yaml")));
    assert_eq!(found.warning, None);
    fs::remove_dir_all(&base).expect("the folder is ours");
}

#[cfg(feature = "age")]
#[test]
fn malformed_recipients_are_named_with_their_place() {
    const GOOD: &str = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
    let check = |text: &str| {
        valid(text)
            .rule_for(Path::new("/p/a"))
            .expect("a rule")
            .check_keys()
    };
    let flat = format!("creation_rules:\n  - age: {GOOD}\n");
    check(&flat).expect("a recipient");
    for (text, line, column) in [
        (flat.replace("xtlm", "xtlq"), 2, 10),
        (flat.replace(GOOD, &format!("{GOOD},age1x")), 2, 10),
        (
            format!("creation_rules:\n  - age:\n      - {GOOD}\n      - ssh-ed25519 AAAA\n"),
            4,
            9,
        ),
        (
            format!(
                "creation_rules:\n  - key_groups:\n      - age:\n          - {GOOD}\n          - age1y\n"
            ),
            5,
            13,
        ),
    ] {
        let error = check(&text).expect_err("malformed");
        let position = error.position.expect("a place");
        assert_eq!((position.line, position.column), (line, column), "{error}");
        assert!(error.message.starts_with("age: malformed"), "{error}");
        assert!(error.hint.is_some());
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(".sops.yaml");
    let sized = |size: u64| {
        let file = fs::File::create(&path).expect("a new file");
        // It has no content, and takes no room.
        file.set_len(size).expect("a size");
        Config::load(&path).expect_err("zeros")
    };
    let error = sized(MAX_SIZE + 1);
    assert_eq!(error.kind, ConfigErrorKind::Unreadable);
    assert_eq!(
        error.message,
        "could not read config file: it has more than 16 MiB"
    );
    assert_eq!(sized(1 << 40), error);
    // Read to its end, and no YAML.
    assert_eq!(sized(MAX_SIZE).kind, ConfigErrorKind::NoConfiguration);
}

#[cfg(unix)]
#[test]
fn a_device_that_never_ends_is_not_read() {
    let error = Config::load(Path::new("/dev/zero")).expect_err("zeros");
    assert!(error.message.contains("16 MiB"), "{error}");
}

#[test]
fn a_rule_says_how_to_encrypt_and_what_to_find() {
    let rule = rule(
        "creation_rules: [{encrypted_regex: ^p, mac_only_encrypted: true, shamir_threshold: 2, \
         key_groups: [{pgp: [AA]}, {pgp: [BB]}, {pgp: [CC]}]}]",
    )
    .expect("it is for all");
    let options = crate::EncryptOptions::of_rule(&rule);
    let expected = crate::check::Expected::of_rule(&rule);
    for (selector, groups, threshold, mac_only_encrypted) in [
        (
            options.selector,
            options.groups,
            options.shamir_threshold,
            options.mac_only_encrypted,
        ),
        (
            expected.selector,
            expected.groups,
            expected.shamir_threshold,
            expected.mac_only_encrypted,
        ),
    ] {
        assert_eq!(selector, Selector::EncryptedRegex("^p".to_owned()));
        assert_eq!(groups, rule.groups());
        assert_eq!(groups.len(), 3);
        assert_eq!(threshold, Some(2));
        assert!(mac_only_encrypted);
    }
}
