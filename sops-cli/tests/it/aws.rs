//! Keys of AWS KMS at moto, a server that does what KMS and STS do, beside the reference.

use std::{
    env,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Program::{Ours, Reference},
    Ran, Scratch, has_reference, skip,
};

/// Names the program `moto_server`, with a `python` that has boto3 beside it.
const SERVER: &str = "SOPS_TEST_MOTO";
const PLAIN: &str = "password: opensesame\n";

/// Makes a key and an alias of it, and prints the ARN of the key.
const MAKE_KEY: &str = "
import boto3
kms = boto3.client('kms')
key = kms.create_key()['KeyMetadata']
kms.create_alias(AliasName='alias/sops', TargetKeyId=key['KeyId'])
print(key['Arn'])
";

/// A server that is ended when dropped.
struct Moto {
    child: Child,
    url: String,
    python: PathBuf,
}

impl Moto {
    fn start() -> Option<Self> {
        let Some(program) = env::var_os(SERVER).map(PathBuf::from) else {
            skip("moto_server (SOPS_TEST_MOTO)");
            return None;
        };
        if !program.is_file() {
            skip("moto_server");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a program that runs");
        let moto = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            python: program.parent().unwrap_or(Path::new("")).join("python"),
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "no answer");
            thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }

    fn settings(&self) -> [(&str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]
    }

    fn make_key(&self) -> String {
        let made = Command::new(&self.python)
            .args(["-c", MAKE_KEY])
            .envs(self.settings())
            .output()
            .expect("python");
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{stderr}");
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_one_program_encrypts_the_other_decrypts() {
    let Some(moto) = Moto::start() else {
        return;
    };
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    let key = moto.make_key();
    let account = key.split(':').nth(4).expect("an account");
    let alias = format!("arn:aws:kms:us-east-1:{account}:alias/sops");
    let with_role = format!("{key}+arn:aws:iam::{account}:role/sops");
    scratch.write("plain.yaml", PLAIN);
    for (from, to) in [(Ours, Reference), (Reference, Ours), (Ours, Ours)] {
        for (key, context) in [(&key, "app:web,env:prod"), (&alias, ""), (&with_role, "")] {
            let mut arguments = vec!["encrypt", "--kms", key];
            if !context.is_empty() {
                arguments.extend(["--encryption-context", context]);
            }
            arguments.push("plain.yaml");
            let encrypted = scratch
                .run_with(from, arguments, moto.settings(), None)
                .ok();
            scratch.write("secret.yaml", encrypted);
            let decrypted = scratch.run_with(to, ["decrypt", "secret.yaml"], moto.settings(), None);
            assert_eq!(decrypted.text(), PLAIN, "{key}: {}", decrypted.stderr);
        }
    }
}

/// The role of whoever has a token of somebody else, as STS gives it out. The reference would ask that of AWS, whatever
/// the variables say.
#[test]
fn a_web_identity() {
    let Some(moto) = Moto::start() else {
        return;
    };
    let scratch = Scratch::new();
    let key = moto.make_key();
    let token = scratch.write("token", "a.b.c").display().to_string();
    let settings = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/sops"),
    ];
    scratch.write("f.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--kms", &key, "f.yaml"];
    scratch.run_with(Ours, encrypt, settings, None).ok();
    let decrypted = scratch.run_with(Ours, ["decrypt", "f.yaml"], settings, None);
    assert_eq!(decrypted.text(), PLAIN);
}

#[test]
fn what_fails_is_an_error_without_secrets() {
    let Some(moto) = Moto::start() else {
        return;
    };
    let scratch = Scratch::new();
    let key = moto.make_key();
    scratch.write("plain.yaml", PLAIN);
    let missing = key.replace(|letter: char| letter.is_ascii_hexdigit(), "0");
    let missing = format!(
        "arn:aws:kms:us-east-1:123456789012:key/{}",
        &missing[missing.len() - 36..]
    );
    let encrypt = ["encrypt", "--in-place", "--kms", &missing, "plain.yaml"];
    let ran = scratch.run_with(Ours, encrypt, moto.settings(), None);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(&missing), "{}", ran.stderr);

    let encrypt = ["encrypt", "--kms", &key, "plain.yaml"];
    let encrypted = scratch.run_with(Ours, encrypt, moto.settings(), None).ok();
    scratch.write("secret.yaml", encrypted);
    let mut nobody = moto.settings();
    nobody[0].1 = "http://127.0.0.1:1";
    let ran = scratch.run_with(Ours, ["decrypt", "secret.yaml"], nobody, None);
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
    assert!(ran.stderr.contains("cannot reach AWS"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    assert_eq!(scratch.read_text("plain.yaml"), PLAIN);
}

/// Makes a bucket, and prints what is in it.
const BUCKET: &str = "
import boto3, sys
s3 = boto3.client('s3')
if sys.argv[1] == 'make':
    s3.create_bucket(Bucket='bucket')
else:
    sys.stdout.buffer.write(s3.get_object(Bucket='bucket', Key=sys.argv[1])['Body'].read())
";

#[test]
fn files_are_published_in_a_bucket() {
    let Some(moto) = Moto::start() else { return };
    let python = |argument: &str| {
        let ran = Command::new(&moto.python)
            .args(["-c", BUCKET, argument])
            .envs(moto.settings())
            .output()
            .expect("python");
        Ran::from(ran).ok()
    };
    python("make");
    let scratch = Scratch::new();
    scratch.write(
        ".sops.yaml",
        "destination_rules:\n  - {s3_bucket: bucket, s3_prefix: p/}\n",
    );
    scratch.write("f.yaml", "a: b\n");
    let encrypted = scratch
        .run(
            Ours,
            ["encrypt", "--age", crate::support::RECIPIENT, "f.yaml"],
        )
        .ok();
    scratch.write("a file.yaml", &encrypted);
    let publish = ["publish", "--yes", "a file.yaml"];
    scratch.run_with(Ours, publish, moto.settings(), None).ok();
    assert_eq!(python("p/a file.yaml"), encrypted);

    // The same in JSON, and a bucket that is not there.
    let report = || {
        let publish = ["publish", "--yes", "--json", "a file.yaml"];
        let ran = scratch.run_with(Ours, publish, moto.settings(), None);
        (ran.code, ran.published())
    };
    let line = ["a file.yaml", "s3://bucket/p/a file.yaml", "published"].map(str::to_owned);
    assert_eq!(report(), (0, vec![line]));
    scratch.write(
        ".sops.yaml",
        "destination_rules:\n  - {s3_bucket: missing}\n",
    );
    assert_eq!(report(), (1, Vec::new()));
}

/// Makes a key, a bucket and a user who may do everything, prints the key and who the user is, and has signatures checked
/// from then on.
const USER: &str = r#"
import boto3, json, os, urllib.request
iam = boto3.client('iam')
iam.create_user(UserName='sops')
allowed = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}
iam.put_user_policy(UserName='sops', PolicyName='all', PolicyDocument=json.dumps(allowed))
user = iam.create_access_key(UserName='sops')['AccessKey']
boto3.client('s3').create_bucket(Bucket='bucket')
print(boto3.client('kms').create_key()['KeyMetadata']['Arn'], user['AccessKeyId'], user['SecretAccessKey'])
url = os.environ['AWS_ENDPOINT_URL'] + '/moto-api/reset-auth'
urllib.request.urlopen(urllib.request.Request(url, b'0', {'Content-Type': 'text/plain'})).read()
"#;

#[test]
fn signatures_are_right() {
    let Some(moto) = Moto::start() else { return };
    let made = Command::new(&moto.python)
        .args(["-c", USER])
        .envs(moto.settings())
        .output()
        .expect("python");
    let made = Ran::from(made).ok();
    let made = String::from_utf8(made).expect("a text");
    let mut words = made.split_whitespace();
    let mut word = || words.next().expect("three words");
    let (key, user, secret) = (word(), word(), word());
    let scratch = Scratch::new();
    let run = |arguments: &[&str], secret: &str| {
        let mut settings = moto.settings();
        settings[1].1 = user;
        settings[2].1 = secret;
        scratch.run_with(Ours, arguments, settings, None)
    };
    scratch.write("f.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--kms", key, "f.yaml"];
    let ran = run(&encrypt, "another/secret");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("another/secret"), "{}", ran.stderr);
    assert_eq!(scratch.read_text("f.yaml"), PLAIN);
    run(&encrypt, secret).ok();
    assert_eq!(run(&["decrypt", "f.yaml"], secret).text(), PLAIN);

    scratch.write(
        ".sops.yaml",
        "destination_rules:\n  - {s3_bucket: bucket, s3_prefix: p/}\n",
    );
    let publish = ["publish", "--yes", "f.yaml"];
    let ran = run(&publish, "another/secret");
    assert_ne!(ran.code, 0);
    assert!(!ran.stderr.contains("another/secret"), "{}", ran.stderr);
    run(&publish, secret).ok();
}
