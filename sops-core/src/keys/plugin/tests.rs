//! Plugins that are shell scripts: they speak the protocol, or fail at it in every way.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use super::{process::find_in, *};
use crate::keys::asker::tests::Scripted;

/// The start of a script that reads the first phase, and has a way to wait for a response.
const READ: &str = "#!/bin/sh
while read -r line; do [ \"$line\" = '-> done' ] && break; done
read -r line
answer() { read -r answer; read -r body; }
";

/// A plugin of its own for one test, with a name that nobody else has.
struct Plugin {
    folder: tempfile::TempDir,
}

impl Plugin {
    /// A plugin that does `script` after the first phase.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("age-plugin-test");
        fs::write(&path, format!("{READ}{script}")).expect("a file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode is set");
        Self { folder }
    }

    fn plugins(&self, asker: Asker) -> Plugins {
        Plugins::new(asker)
            .with_patience(Some(Duration::from_secs(20)))
            .with_path(self.folder.path().into())
    }

    fn unwrap(&self, asker: Asker) -> Result<Vec<(usize, FileKey)>, KeyError> {
        unwrap(&self.plugins(asker))
    }
}

fn stanza(kind: &str, body: &[u8]) -> Stanza {
    Stanza {
        body: body.to_vec(),
        ..command(kind, &["argument"])
    }
}

fn identity() -> PluginIdentity {
    PluginIdentity {
        name: "test".to_owned(),
        text: SecretText::new("AGE-PLUGIN-TEST-1XYZ".to_owned()),
    }
}

fn recipient() -> PluginRecipient {
    PluginRecipient {
        name: "test".to_owned(),
        text: "age1test1xyz".to_owned(),
    }
}

fn unwrap(plugins: &Plugins) -> Result<Vec<(usize, FileKey)>, KeyError> {
    let files = [[stanza("one", b"1")], [stanza("two", b"2")]];
    plugins.unwrap(&identity(), &[&files[0], &files[1]])
}

/// What the plugin sends as the file key of the second file: sixteen times `A`.
const FILE_KEY: &str = "printf '%s\\n' '-> file-key 1' QUFBQUFBQUFBQUFBQUFBQQ; answer\n";
const DONE: &str = "printf '%s\\n' '-> done' ''\n";

#[test]
fn file_keys_come_back() {
    let plugin = Plugin::new(&format!("{FILE_KEY}{DONE}"));
    let found = plugin.unwrap(Asker::default()).expect("a file key");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 1);
    assert_eq!(*found[0].1, [b'A'; 16]);
    let nothing = Plugin::new(DONE).unwrap(Asker::default());
    assert!(nothing.expect("no error").is_empty());
}

#[test]
fn what_is_sent_is_as_the_protocol_has_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("age-plugin-test");
    let log = folder.path().join("log");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > '{0}'\nwhile read -r line; do echo \"$line\" >> '{0}'; [ \"$line\" = '-> done' ] && break; done\n{DONE}",
        log.display()
    );
    fs::write(&path, script).expect("a file is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode is set");
    let plugins = Plugins::new(Asker::default()).with_path(folder.path().into());
    unwrap(&plugins).expect("no error");
    assert_eq!(
        fs::read_to_string(&log).expect("a log"),
        "--age-plugin=identity-v1\n-> add-identity AGE-PLUGIN-TEST-1XYZ\n\n-> recipient-stanza 0 one argument\nMQ\n-> recipient-stanza 1 two argument\nMg\n-> done\n"
    );
    let error = plugins.wrap(&recipient(), &FileKey::new([b'A'; 16]));
    assert_eq!(
        error.map(drop).expect_err("nothing").message,
        "age plugin test: it wrapped nothing"
    );
    assert_eq!(
        fs::read_to_string(&log).expect("a log"),
        "--age-plugin=recipient-v1\n-> add-recipient age1test1xyz\n\n-> wrap-file-key\nQUFBQUFBQUFBQUFBQUFBQQ\n-> extension-labels\n\n-> done\n"
    );
}

#[test]
fn stanzas_come_back() {
    let plugin = Plugin::new(&format!(
        "printf '%s\\n' '-> strange thing' ''; answer
[ \"$answer\" = '-> unsupported' ] || exit 3
printf '%s\\n' '-> labels a b' ''; answer
printf '%s\\n' '-> recipient-stanza 0 kind a b' YWJj; answer
{DONE}"
    ));
    let stanzas = plugin
        .plugins(Asker::default())
        .wrap(&recipient(), &FileKey::default());
    let stanzas = stanzas.expect("a stanza");
    assert_eq!(stanzas.len(), 1);
    assert_eq!(stanzas[0].kind, "kind");
    assert_eq!(stanzas[0].arguments, ["a", "b"]);
    assert_eq!(stanzas[0].body, b"abc");
}

#[test]
fn questions_are_passed_on_and_right_answers_remembered() {
    // QUESTION, and what is expected as the answer: `right`.
    let plugin = Plugin::new(&format!(
        "printf '%s\\n' '-> msg' SGVsbG8; answer
printf '%s\\n' '-> request-secret' UElO; answer
[ \"$body\" = cmlnaHQ ] || {{ printf '%s\\n' '-> request-secret' UElO; answer; }}
printf '%s\\n' '-> request-public' TmFtZQ; answer
printf '%s\\n' '-> confirm eWVz bm8' R28; answer
[ \"$answer\" = '-> ok yes' ] || exit 3
[ \"$body\" = '' ] && {FILE_KEY}{DONE}"
    ));
    let script = Scripted::new(&["wrong", "right", "name", "yes", "yes"]);
    let plugins = plugin.plugins(script.asker());
    for _ in 0..2 {
        assert_eq!(unwrap(&plugins).expect("a file key").len(), 1);
    }
    assert_eq!(
        script.questions(),
        [
            "age-plugin-test: Hello",
            "age-plugin-test: PIN",
            "age-plugin-test: PIN",
            "age-plugin-test: Name",
            "age-plugin-test: Go",
            // The second session: only what has to be confirmed each time.
            "age-plugin-test: Hello",
            "age-plugin-test: Go",
        ]
    );
}

#[test]
fn answers_that_were_of_no_use_are_forgotten() {
    let plugin = Plugin::new(
        "printf '%s\\n' '-> request-secret' UElO; answer\nprintf '%s\\n' '-> error internal' QmFkIFBJTg; answer\nprintf '%s\\n' '-> done' ''\n",
    );
    let script = Scripted::new(&["a", "b"]);
    let plugins = plugin.plugins(script.asker());
    for _ in 0..2 {
        let error = unwrap(&plugins).expect_err("an error");
        assert_eq!(error.message, "age plugin test: Bad PIN");
    }
    assert_eq!(script.questions().len(), 2);
}

#[test]
fn a_question_that_nobody_answers_is_the_reason() {
    let plugin = Plugin::new(
        "printf '%s\\n' '-> request-secret' UElO; answer\n[ \"$answer\" = '-> fail' ] && printf '%s\\n' '-> error internal' Tm8; answer\nprintf '%s\\n' '-> done' ''\n",
    );
    let error = plugin.unwrap(Asker::default()).expect_err("nobody there");
    assert_eq!(
        error.message,
        "age plugin test: it has a question, and there is nobody to ask: this program does not ask questions"
    );
    assert!(error.hint.is_some());
    let script = Scripted::failing(PromptError::Cancelled);
    let error = plugin.unwrap(script.asker()).expect_err("cancelled");
    assert_eq!(
        error.message,
        "age plugin test: it has a question: cancelled"
    );
}

#[test]
fn plugins_that_fail_are_errors_that_say_how() {
    for (script, expected) in [
        (
            "printf '%s\\n' '-> error identity 0' bm8gc3VjaCBrZXk; answer; printf '%s\\n' '-> done' ''",
            "no such key",
        ),
        ("exit 1", "it ended before it was done"),
        (
            "echo first >&2; printf 'se\\033[31mcond\\n\\n' >&2; exit 1",
            "it ended before it was done: first; se[31mcond",
        ),
        ("echo hello", "does not speak the protocol"),
        ("echo '-> '", "does not speak the protocol"),
        ("printf '\\377\\n'", "does not speak the protocol"),
        (
            "printf '%s\\n' '-> file-key 1' '!!'",
            "it sent a malformed stanza",
        ),
        (
            "printf '%s\\n' '-> file-key 1' QUFB; answer",
            "it sent a malformed file key",
        ),
        (
            "printf '%s\\n' '-> file-key 2' QUFBQUFBQUFBQUFBQUFBQQ; answer",
            "it sent a malformed file key",
        ),
        (
            "printf '%s\\n' '-> file-key x y' QUFBQUFBQUFBQUFBQUFBQQ; answer",
            "it sent a malformed file key",
        ),
        (
            "head -c 200000 /dev/zero | tr '\\0' a",
            "does not speak the protocol",
        ),
        (
            "echo '-> msg'; while :; do echo QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB; done",
            "it sent too long a stanza",
        ),
        (
            "while :; do printf '%s\\n' '-> grease' ''; done",
            "it does not come to an end",
        ),
    ] {
        let error = Plugin::new(script)
            .unwrap(Asker::default())
            .expect_err(script);
        assert!(error.message.contains(expected), "{script}: {error}");
        assert!(error.message.starts_with("age plugin test: "), "{error}");
        assert!(!error.message.contains('\x1b') && !error.message.contains("XYZ"));
    }
    let long = Plugin::new("for i in $(seq 2000); do echo \"line $i\" >&2; done; exit 1");
    let error = long.unwrap(Asker::default()).expect_err("it ended");
    assert!(error.message.len() < 800 && error.message.ends_with("line 2000"));
}

#[test]
fn silence_is_bounded() {
    let plugin = Plugin::new("sleep 60");
    let plugins = plugin
        .plugins(Asker::default())
        .with_patience(Some(Duration::from_millis(300)));
    let start = Instant::now();
    let error = unwrap(&plugins).expect_err("silent");
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(error.message.contains("it said nothing for"), "{error}");
    assert!(
        error
            .hint
            .expect("a hint")
            .contains("SOPS_AGE_PLUGIN_TIMEOUT")
    );
}

#[test]
fn a_plugin_that_reads_nothing_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("age-plugin-test");
    fs::write(&path, "#!/bin/sh\nsleep 60\n").expect("a file is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode is set");
    let plugins = Plugins::new(Asker::default())
        .with_patience(Some(Duration::from_millis(300)))
        .with_path(folder.path().into());
    let large = [stanza("large", &vec![0; 1 << 20])];
    assert!(plugins.unwrap(&identity(), &[&large]).is_err());
}

#[test]
fn plugins_are_found_on_absolute_folders_of_the_path_alone() {
    let plugin = Plugin::new("");
    let folder = plugin.folder.path();
    let path = |folders: &[&std::path::Path]| {
        find_in(
            std::env::join_paths(folders).expect("a path").as_os_str(),
            "age-plugin-test",
        )
    };
    assert_eq!(path(&[folder]), Some(folder.join("age-plugin-test")));
    assert_eq!(path(&["relative".as_ref(), ".".as_ref()]), None);
    fs::set_permissions(
        folder.join("age-plugin-test"),
        fs::Permissions::from_mode(0o644),
    )
    .expect("a mode is set");
    assert_eq!(path(&[folder]), None);
    let error = plugin.unwrap(Asker::default()).expect_err("not there");
    assert_eq!(
        error.message,
        "age plugin test: age-plugin-test is not installed"
    );
    assert!(error.hint.is_some());
}

#[test]
fn names_hold_nothing_but_names() {
    let text = "age1unencrypted1k5fr0r";
    assert!(PluginRecipient::parse(text).is_ok());
    assert_eq!(PluginRecipient::name_in(text), Some("unencrypted"));
    for name in ["", "a/b", "a b", "ä", "a\0b", "..\\a"] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for text in [
        "age1",
        "age11",
        "age1../x1k5fr0r",
        "age1a/b1k5fr0r",
        "ssh-1",
    ] {
        assert_eq!(PluginRecipient::name_in(text), None, "{text}");
    }
    let identity = PluginIdentity::parse("AGE-PLUGIN-UNENCRYPTED-1CR7ZD5").expect("an identity");
    assert_eq!(identity.name(), "unencrypted");
    assert!(!format!("{identity:?}").contains("1CR7ZD5"));
    for text in [
        "AGE-PLUGIN-UNENCRYPTED-1CR7ZD6",
        "AGE-PLUGIN-",
        "age-plugin-unencrypted-1cr7zd5",
        "AGE-SECRET-KEY-18KYYLYHPG7J29KAMT6VYWKSKVWQXG2EEAPTKU3LANV3QDD99A6NQDM0L5E",
    ] {
        assert!(PluginIdentity::parse(text).is_err(), "{text}");
    }
}
