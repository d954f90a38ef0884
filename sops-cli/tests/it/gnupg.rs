//! A GnuPG home for one test, with keys that a real `gpg` makes.

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Program, Ran, Scratch, skip, testdata};

/// Fingerprints of the keys in `testdata/golden/keys`.
pub(crate) const RSA: &str = "EF7121DFB0B01FD31B24D723FBF0F2A59376B26A";
pub(crate) const CURVE: &str = "0B31C79005161CD9841F3916F07AF8230EA0EB66";

const ED25519: &str =
    "Key-Type: EDDSA\nKey-Curve: ed25519\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\n";
const SIGN_ONLY: &str = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\n";
const RSA_2048: &str = "Key-Type: RSA\nKey-Length: 2048\nSubkey-Type: RSA\nSubkey-Length: 2048\n";

/// What kind of key is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Ed25519,
    Rsa,
    SignOnly,
    Expired,
    Revoked,
}

/// A home folder of GnuPG. Its agent ends with it.
pub(crate) struct Gnupg {
    // Sockets have short names: a folder right below the usual one.
    home: tempfile::TempDir,
}

impl Gnupg {
    /// Returns an empty home, or nothing, loudly, if there is no gpg.
    pub(crate) fn new() -> Option<Self> {
        if !is_there() {
            skip("gpg (GnuPG 2, on PATH)");
            return None;
        }
        let home = tempfile::Builder::new()
            .prefix("gpg-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(env::temp_dir())
            .expect("a temporary folder");
        assert!(
            home.path().as_os_str().len() < 90,
            "sockets need short names"
        );
        let gnupg = Self { home };
        gnupg.configure_agent("");
        Some(gnupg)
    }

    /// Returns a home with the secret keys of the golden files.
    pub(crate) fn golden() -> Option<Self> {
        let gnupg = Self::new()?;
        for name in ["pgp_rsa", "pgp_cv25519"] {
            gnupg.import(&testdata(&format!("golden/keys/{name}.sec.asc")));
        }
        Some(gnupg)
    }

    /// Sets up the agent, and makes passphrases cheap to test.
    pub(crate) fn configure_agent(&self, settings: &str) {
        let text = format!("s2k-count 65536\n{settings}");
        fs::write(self.path().join("gpg-agent.conf"), text).expect("a file is written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn home(&self) -> &str {
        self.path().to_str().expect("a path of ASCII")
    }

    /// Runs gpg, without asking anybody anything.
    #[track_caller]
    pub(crate) fn gpg(&self, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new("gpg")
            .args(["--batch", "--yes", "--quiet"])
            .args(arguments)
            .env("GNUPGHOME", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg starts");
        let mut stdin = child.stdin.take().expect("piped above");
        stdin.write_all(input.as_bytes()).expect("gpg reads it");
        drop(stdin);
        let ran = Ran::of(child);
        assert_eq!(ran.code, 0, "gpg {arguments:?}: {}", ran.stderr);
        ran.text()
    }

    pub(crate) fn import(&self, path: &Path) {
        self.gpg(&["--import", path.to_str().expect("a path of ASCII")], "");
    }

    /// Makes a key and returns its fingerprint.
    pub(crate) fn make(&self, kind: Kind, name: &str) -> String {
        self.generate(kind, name, "%no-protection\n")
    }

    /// Makes a key under a passphrase and returns its fingerprint.
    pub(crate) fn make_locked(&self, name: &str, passphrase: &str) -> String {
        let passphrase = format!("Passphrase: {passphrase}\n");
        let fingerprint = self.generate(Kind::Ed25519, name, &passphrase);
        // The agent knows it now.
        self.forget();
        fingerprint
    }

    fn generate(&self, kind: Kind, name: &str, protection: &str) -> String {
        let parameters = match kind {
            Kind::Ed25519 | Kind::Expired | Kind::Revoked => ED25519,
            Kind::Rsa => RSA_2048,
            Kind::SignOnly => SIGN_ONLY,
        };
        let text = format!(
            "{parameters}Name-Real: {name}\nName-Email: {name}@example.org\nExpire-Date: 0\n{protection}%commit\n"
        );
        // A statement at the top must not stand before the type of the key.
        let text = match text.split_once("%no-protection\n") {
            Some((before, after)) => format!("%no-protection\n{before}{after}"),
            None => text,
        };
        self.gpg(&["--gen-key"], &text);
        let fingerprint = self.fingerprints(name).remove(0);
        match kind {
            Kind::Expired => {
                // Both live for a second. A past date is not taken.
                self.gpg(&["--quick-set-expire", &fingerprint, "seconds=1"], "");
                self.gpg(&["--quick-set-expire", &fingerprint, "seconds=1", "*"], "");
                self.wait_until_expired(&fingerprint);
            }
            Kind::Revoked => {
                let file = format!("openpgp-revocs.d/{fingerprint}.rev");
                let text = fs::read_to_string(self.path().join(file)).expect("gpg made it");
                // A colon keeps it from being imported by accident.
                self.gpg(&["--import"], &text.replace("\n:-----", "\n-----"));
            }
            Kind::Ed25519 | Kind::Rsa | Kind::SignOnly => {}
        }
        fingerprint
    }

    fn wait_until_expired(&self, fingerprint: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.list(fingerprint).contains("pub:e:") {
            assert!(Instant::now() < deadline, "it does not expire");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn list(&self, name: &str) -> String {
        self.gpg(&["--with-colons", "--list-keys", name], "")
    }

    /// Returns the fingerprints of a key and its subkeys.
    pub(crate) fn fingerprints(&self, name: &str) -> Vec<String> {
        let list = self.list(name);
        let lines = list.lines().filter(|line| line.starts_with("fpr:"));
        lines
            .filter_map(|line| line.split(':').nth(9))
            .map(str::to_owned)
            .collect()
    }

    /// Writes an exported secret key to a file.
    pub(crate) fn export(&self, fingerprint: &str, passphrase: &str, path: &Path) {
        let arguments = [
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            passphrase,
            "--armor",
            "--export-secret-keys",
            fingerprint,
        ];
        fs::write(path, self.gpg(&arguments, "")).expect("a file is written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode is set");
    }

    /// Makes the agent forget all passphrases, by ending it.
    pub(crate) fn forget(&self) {
        let ended = Command::new("gpgconf")
            .args(["--kill", "gpg-agent"])
            .env("GNUPGHOME", self.path())
            .status();
        assert!(ended.expect("gpgconf starts").success());
    }

    /// Runs a program with this home.
    pub(crate) fn run(&self, scratch: &Scratch, program: Program, line: &str) -> Ran {
        self.run_with(scratch, program, line, &[])
    }

    /// Runs a program with this home and with settings in its environment.
    pub(crate) fn run_with(
        &self,
        scratch: &Scratch,
        program: Program,
        line: &str,
        settings: &[(&str, &str)],
    ) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        let home = [("GNUPGHOME", self.home())];
        let settings = home.iter().chain(settings).copied();
        scratch.run_with(program, words, settings, None)
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        self.forget();
    }
}

fn is_there() -> bool {
    let version = |program| Command::new(program).arg("--version").output();
    version("gpg")
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("gpg (GnuPG) 2."))
        && version("gpgconf").is_ok()
}

/// A program to be run as gpg: does what the script says, usually by running gpg, and keeps a log of its arguments.
pub(crate) struct Wrapper {
    path: PathBuf,
    log: PathBuf,
}

impl Wrapper {
    pub(crate) fn new(scratch: &Scratch, script: &str) -> Self {
        let path = scratch.temporary().join("wrapped-gpg");
        let log = scratch.temporary().join("gpg.log");
        let text = format!("#!/bin/sh\necho \"$*\" >> '{}'\n{script}\n", log.display());
        fs::write(&path, text).expect("a file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a mode is set");
        Self { path, log }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a path of ASCII")
    }

    /// Returns the arguments of each run since the log was taken last.
    pub(crate) fn take_log(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        fs::remove_file(&self.log).ok();
        log.lines().map(str::to_owned).collect()
    }
}
