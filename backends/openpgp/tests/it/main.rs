//! Keys in files, as GnuPG and Sequoia write them: what they open, and what they refuse.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use sequoia_openpgp::{
    Cert, KeyID, Packet, PacketPile,
    cert::CertBuilder,
    crypto::Password,
    parse::Parse,
    serialize::{Serialize, SerializeInto},
    types::ReasonForRevocation,
};
use sops_core::{
    Prompt, PromptError, SecretBytes, SecretText,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_openpgp::OpenPgp;

const RSA: &str = "EF7121DFB0B01FD31B24D723FBF0F2A59376B26A";
const CURVE: &str = "0B31C79005161CD9841F3916F07AF8230EA0EB66";

/// Keys that GnuPG made.
fn of_gnupg(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/golden/keys")
        .join(name)
}

/// A folder of key files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("a file is written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode is set");
        }
        path
    }

    fn secret(&self, name: &str, cert: &Cert) -> PathBuf {
        self.write(name, cert.as_tsk().armored().to_vec().expect("serializes"))
    }

    fn public(&self, name: &str, cert: &Cert) -> PathBuf {
        self.write(name, cert.armored().to_vec().expect("serializes"))
    }
}

fn key(fingerprint: &str) -> MasterKey {
    MasterKey::parse("pgp", fingerprint, &Default::default()).expect("a fingerprint")
}

fn share() -> SecretBytes {
    SecretBytes::new((0..33).collect())
}

#[track_caller]
fn wrap(service: &OpenPgp, fingerprint: &str) -> String {
    let outcome = service.wrap(&key(fingerprint), &share());
    outcome.expect("its kind").expect("wraps")
}

fn refused(service: &OpenPgp, fingerprint: &str) -> KeyError {
    let outcome = service.wrap(&key(fingerprint), &share());
    outcome.expect("its kind").expect_err("does not wrap")
}

fn unwrap(
    service: &OpenPgp,
    fingerprint: &str,
    enc: &str,
) -> Option<Result<SecretBytes, KeyError>> {
    service.unwrap(&KeyEntry::new(key(fingerprint), enc.to_owned(), None))
}

#[track_caller]
fn opens(service: &OpenPgp, fingerprint: &str, enc: &str) {
    let outcome = unwrap(service, fingerprint, enc).expect("its kind");
    assert_eq!(outcome.expect("unwraps").expose(), share().expose());
}

fn made(userid: &str) -> CertBuilder<'_> {
    CertBuilder::new()
        .add_userid(userid)
        .add_signing_subkey()
        .set_creation_time(SystemTime::now() - Duration::from_secs(86400))
}

fn build(builder: CertBuilder<'_>) -> Cert {
    builder.generate().expect("a new key").0
}

#[test]
fn keys_of_gnupg_wrap_and_unwrap() {
    for (name, fingerprint) in [("pgp_rsa", RSA), ("pgp_cv25519", CURVE)] {
        let public = OpenPgp::from_key_files([of_gnupg(&format!("{name}.pub.asc"))]);
        let secret = OpenPgp::from_key_files([of_gnupg(&format!("{name}.sec.asc"))]);
        let enc = wrap(&public, fingerprint);
        assert!(enc.starts_with("-----BEGIN PGP MESSAGE-----\n"), "{enc}");
        assert!(enc.ends_with("\n-----END PGP MESSAGE-----"), "{enc}");
        opens(&secret, fingerprint, &enc);
        for enc in [
            format!("\n\n{enc}\n"),
            enc.replace('\n', "\r\n"),
            enc.replace("MESSAGE-----\n\n", "MESSAGE-----\nVersion: GnuPG v2\n\n"),
        ] {
            opens(&secret, fingerprint, &enc);
        }
        let outcome = unwrap(&public, fingerprint, &enc).expect("its kind");
        let error = outcome.expect_err("no secret key");
        assert!(error.message.contains("is not this secret key"), "{error}");
    }
}

#[test]
fn names_of_a_key_are_its_fingerprint_its_id_and_those_of_its_subkeys() {
    let files = OpenPgp::from_key_files([of_gnupg("pgp_cv25519.sec.asc")]);
    for name in [
        CURVE.to_owned(),
        CURVE.to_lowercase(),
        format!("0x{CURVE}"),
        CURVE[24..].to_owned(),
        "0B31 C790 0516 1CD9 841F  3916 F07A F823 0EA0 EB66".to_owned(),
    ] {
        let enc = wrap(&files, &name);
        opens(&files, &name, &enc);
    }
    for name in [&CURVE[32..], &CURVE[1..], RSA, "alice@example.org", "!"] {
        let error = refused(&files, name);
        assert!(error.message.contains("is not this key"), "{error}");
    }
}

#[test]
fn a_subkey_can_be_forced() {
    let folder = Folder::new();
    let cert = build(
        made("two")
            .add_storage_encryption_subkey()
            .add_transport_encryption_subkey(),
    );
    let files = OpenPgp::from_key_files([folder.secret("key.asc", &cert)]);
    let policy = sequoia_openpgp::policy::StandardPolicy::new();
    let valid = cert.with_policy(&policy, None).expect("valid");
    let encryption = valid
        .keys()
        .for_storage_encryption()
        .for_transport_encryption();
    for key in encryption {
        let name = format!("{}!", key.key().fingerprint());
        let enc = wrap(&files, &name);
        opens(&files, &name, &enc);
        let id = key.key().keyid();
        assert_eq!(recipient(&enc), Some(id));
    }
    let signing = valid.keys().for_signing().next().expect("one");
    let error = refused(&files, &format!("{}!", signing.key().fingerprint()));
    assert!(error.message.contains("not for encryption"), "{error}");
    assert!(error.hint.expect("a hint").contains('!'));
}

/// Returns for which key a message is.
fn recipient(enc: &str) -> Option<KeyID> {
    let packets = PacketPile::from_bytes(enc.as_bytes()).expect("a message");
    packets.descendants().find_map(|packet| match packet {
        Packet::PKESK(pkesk) => pkesk.recipient().map(KeyID::from),
        _ => None,
    })
}

#[test]
fn keys_that_must_not_be_used_are_refused_with_the_reason() {
    let folder = Folder::new();
    let day = Duration::from_secs(86400);
    let fresh = || made("alice <alice@example.org>").add_transport_encryption_subkey();

    let expired = build(
        fresh()
            .set_creation_time(SystemTime::now() - 10 * day)
            .set_validity_period(day),
    );
    let subkey_expired = build(
        made("alice <alice@example.org>")
            .set_creation_time(SystemTime::now() - 10 * day)
            .add_subkey(
                sequoia_openpgp::types::KeyFlags::empty().set_transport_encryption(),
                day,
                None,
            ),
    );
    let sign_only = build(made("alice <alice@example.org>"));
    let revoked = {
        let (cert, revocation) = fresh().generate().expect("a new key");
        cert.insert_packets([revocation]).expect("revoked").0
    };
    let compromised = {
        let cert = build(fresh());
        let mut signer = {
            let key = cert.primary_key().key().clone();
            key.parts_into_secret()
                .and_then(sequoia_openpgp::packet::Key::into_keypair)
                .expect("unlocked")
        };
        let revocation = cert
            .revoke(&mut signer, ReasonForRevocation::KeyCompromised, b"lost")
            .expect("a signature");
        cert.insert_packets([revocation]).expect("revoked").0
    };
    for (cert, expected) in [
        (&expired, "(alice <alice@example.org>) has expired on 20"),
        (
            &subkey_expired,
            "no valid subkey for encryption: it has expired on 20",
        ),
        (&sign_only, "can only sign or certify"),
        (&revoked, "(alice <alice@example.org>) has been revoked"),
        (&compromised, "has been revoked"),
    ] {
        let files = OpenPgp::from_key_files([folder.public("key.asc", cert)]);
        let error = refused(&files, &cert.fingerprint().to_string());
        assert!(error.message.contains(expected), "{expected}: {error}");
        assert!(error.hint.is_some(), "{expected}");
    }
}

#[test]
fn a_key_that_has_expired_or_been_revoked_since_still_decrypts() {
    let folder = Folder::new();
    let (cert, revocation) = made("alice")
        .add_transport_encryption_subkey()
        .generate()
        .expect("a new key");
    let fingerprint = cert.fingerprint().to_string();
    let enc = wrap(
        &OpenPgp::from_key_files([folder.public("key.asc", &cert)]),
        &fingerprint,
    );
    let revoked = cert.insert_packets([revocation]).expect("revoked").0;
    let files = OpenPgp::from_key_files([folder.secret("key.asc", &revoked)]);
    opens(&files, &fingerprint, &enc);
    refused(&files, &fingerprint);
}

#[test]
fn files_may_be_armored_or_binary_and_hold_several_keys() {
    let folder = Folder::new();
    let certs: Vec<Cert> = (0..3)
        .map(|_| build(made("someone").add_transport_encryption_subkey()))
        .collect();
    let mut binary = Vec::new();
    let mut armored = b"some words\n".to_vec();
    for cert in &certs {
        cert.as_tsk().serialize(&mut binary).expect("serializes");
        armored.extend(cert.as_tsk().armored().to_vec().expect("serializes"));
        armored.extend(b"\n\nmore words\n");
    }
    for path in [
        folder.write("all.gpg", binary),
        folder.write("all.asc", armored),
    ] {
        let files = OpenPgp::from_key_files([path]);
        for cert in &certs {
            let name = cert.fingerprint().to_string();
            let enc = wrap(&files, &name);
            opens(&files, &name, &enc);
        }
    }
    // A public key in one file, its secret key in another.
    let both = [
        folder.public("public.asc", &certs[0]),
        folder.secret("secret.asc", &certs[0]),
    ];
    let files = OpenPgp::from_key_files(both);
    let name = certs[0].fingerprint().to_string();
    let enc = wrap(&files, &name);
    opens(&files, &name, &enc);
}

#[test]
fn what_cannot_be_read_is_said_when_no_other_file_has_the_key() {
    let folder = Folder::new();
    let good = of_gnupg("pgp_cv25519.sec.asc");
    let armor = fs::read_to_string(&good).expect("a key");
    let damaged = armor.replacen('A', "B", 3);
    for (bytes, expected) in [
        (String::new(), "no OpenPGP key"),
        ("hunter2".to_owned(), "no OpenPGP key"),
        (armor[..200].to_owned(), ""),
        (damaged, ""),
        (
            "-----BEGIN PGP MESSAGE-----\n\nhunter2\n-----END PGP MESSAGE-----\n".to_owned(),
            "no OpenPGP key",
        ),
    ] {
        let bad = folder.write("bad.asc", &bytes);
        let error = refused(&OpenPgp::from_key_files([bad.clone()]), RSA);
        assert!(error.message.contains(expected), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
        let both = OpenPgp::from_key_files([bad, good.clone()]);
        wrap(&both, CURVE);
    }
    let missing = OpenPgp::from_key_files(["/does/not/exist.asc"]);
    let error = refused(&missing, RSA);
    assert!(error.message.contains("/does/not/exist.asc"), "{error}");
    assert!(error.hint.expect("a hint").contains("--export-secret-keys"));
    let none = OpenPgp::from_key_files(Vec::<PathBuf>::new());
    assert!(refused(&none, RSA).message.contains("names no file"));
}

#[test]
fn damaged_messages_are_errors() {
    let files = OpenPgp::from_key_files([of_gnupg("pgp_cv25519.sec.asc")]);
    let good = wrap(&files, CURVE);
    let lines: Vec<&str> = good.lines().collect();
    let mut flipped: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let last = flipped.len() - 4;
    flipped[last] = flipped[last].chars().rev().collect();
    for enc in [
        String::new(),
        "hunter2".to_owned(),
        lines[..4].join("\n"),
        flipped.join("\n"),
        good.replace("BEGIN PGP MESSAGE", "BEGIN PGP SIGNATURE"),
        fs::read_to_string(of_gnupg("pgp_cv25519.pub.asc")).expect("a key"),
    ] {
        let outcome = unwrap(&files, CURVE, &enc).expect("its kind");
        let error = outcome.expect_err(&enc);
        assert!(!error.message.contains("hunter2"), "{error}");
        assert!(!error.message.contains('\n'), "{error}");
    }
    // More than a data key.
    let large = SecretBytes::new(vec![1; 5000]);
    let enc = files
        .wrap(&key(CURVE), &large)
        .expect("its kind")
        .expect("wraps");
    let error = unwrap(&files, CURVE, &enc)
        .expect("its kind")
        .expect_err("too long");
    assert!(error.message.contains("more than a data key"), "{error}");
}

#[test]
fn other_kinds_are_not_its_business() {
    let files = OpenPgp::from_key_files(["/does/not/exist.asc"]);
    let key = MasterKey::parse("age", "age1xyz", &Default::default()).expect("a recipient");
    assert!(files.wrap(&key, &share()).is_none());
    assert!(
        files
            .unwrap(&KeyEntry::new(key, String::new(), None))
            .is_none()
    );
    assert!(files.warnings().is_empty(), "nothing was read");
}

/// A locked key, a message for it, and how often its passphrase was asked for.
struct Locked {
    _folder: Folder,
    path: PathBuf,
    fingerprint: String,
    enc: String,
    asked: Arc<AtomicUsize>,
}

impl Locked {
    fn new() -> Self {
        let folder = Folder::new();
        let cert = build(
            made("alice")
                .add_transport_encryption_subkey()
                .set_password(Some(Password::from("sesame"))),
        );
        let fingerprint = cert.fingerprint().to_string();
        let path = folder.secret("key.asc", &cert);
        let enc = wrap(&OpenPgp::from_key_files([&path]), &fingerprint);
        Self {
            _folder: folder,
            path,
            fingerprint,
            enc,
            asked: Arc::default(),
        }
    }

    fn service(&self, answers: &'static [&'static str]) -> OpenPgp {
        OpenPgp::from_key_files([&self.path]).with_prompt(Scripted {
            answers,
            asked: Arc::clone(&self.asked),
        })
    }

    fn refusal(&self, service: &OpenPgp) -> String {
        let outcome = unwrap(service, &self.fingerprint, &self.enc).expect("its kind");
        outcome.expect_err("stays locked").message
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Answers from a list, then cancels.
struct Scripted {
    answers: &'static [&'static str],
    asked: Arc<AtomicUsize>,
}

impl Prompt for Scripted {
    fn secret(&self, question: &str) -> Result<SecretText, PromptError> {
        assert!(question.contains("(alice)"), "{question}");
        match self.answers.get(self.asked.fetch_add(1, Ordering::SeqCst)) {
            Some(answer) => Ok(SecretText::new((*answer).to_owned())),
            None => Err(PromptError::Cancelled),
        }
    }

    fn text(&self, _: &str) -> Result<String, PromptError> {
        Err(PromptError::unavailable("not here"))
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Result<bool, PromptError> {
        Err(PromptError::unavailable("not here"))
    }

    fn message(&self, _: &str) -> Result<(), PromptError> {
        Ok(())
    }
}

#[test]
fn a_passphrase_is_asked_for_once_whatever_comes_of_it() {
    let locked = Locked::new();
    let service = locked.service(&["wrong", "sesame"]);
    for _ in 0..3 {
        opens(&service, &locked.fingerprint, &locked.enc);
    }
    assert_eq!(locked.asked(), 2);

    let locked = Locked::new();
    let service = locked.service(&["a", "b", "c", "sesame"]);
    for _ in 0..2 {
        assert!(
            locked
                .refusal(&service)
                .contains("the answer was wrong 3 times")
        );
    }
    assert_eq!(locked.asked(), 3);

    let locked = Locked::new();
    let service = locked.service(&[]);
    for _ in 0..2 {
        assert!(locked.refusal(&service).ends_with("(alice): cancelled"));
    }
    assert_eq!(locked.asked(), 1);

    let locked = Locked::new();
    let service = OpenPgp::from_key_files([&locked.path]);
    assert!(
        locked
            .refusal(&service)
            .contains("is locked with a passphrase")
    );
}

#[test]
fn nobody_is_asked_about_a_message_for_someone_else_or_for_an_unlocked_key() {
    let locked = Locked::new();
    let service = locked.service(&["sesame"]);
    let other = OpenPgp::from_key_files([of_gnupg("pgp_rsa.pub.asc")]);
    let outcome = unwrap(&service, RSA, &wrap(&other, RSA)).expect("its kind");
    assert!(
        outcome
            .expect_err("for someone else")
            .message
            .contains("is not this secret key")
    );
    assert_eq!(locked.asked(), 0);
    // Wrapping needs no secret.
    wrap(&service, &locked.fingerprint);
    assert_eq!(locked.asked(), 0);
}

#[cfg(unix)]
#[test]
fn secret_keys_that_others_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let cert = build(made("alice").add_transport_encryption_subkey());
    for (path, mode, expected) in [
        (folder.secret("a.asc", &cert), 0o644, 1),
        (folder.secret("b.asc", &cert), 0o600, 0),
        (folder.public("c.asc", &cert), 0o644, 0),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode is set");
        let files = OpenPgp::from_key_files([path]);
        wrap(&files, &cert.fingerprint().to_string());
        assert_eq!(files.warnings().len(), expected, "{mode:o}");
    }
}
