//! Keys of HuaweiCloud KMS. There is no such service to be had here, so one of ours stands in for it, which checks
//! signatures as the documentation of HuaweiCloud says; the reference and, where it is there, the kit for Python show
//! that it does so rightly.

use std::{
    env,
    fmt::Write as _,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    http_server::{Received, Reply, Server},
    support::{Program, Ran, Scratch, has_reference, skip, testdata},
};

/// Names a python with the package `huaweicloudsdkkms`.
const PYTHON: &str = "SOPS_TEST_CLOUD_CLIENTS";
const PLAIN: &[u8] = b"password: opensesame\n";
const ACCESS_KEY: &str = "TESTACCESSKEY0000001";
const SECRET_KEY: &str = "test-secret-key-that-signs";
const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "tr-west-1:123e4567-e89b-12d3-a456-426614174000";
const ENDPOINT: &str = "HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1";

/// The service: KMS with one key, and the list of projects of IAM.
fn kms(request: &Received) -> Reply {
    if let Err(reason) = check_signature(request) {
        return refuse(
            401,
            "APIGW.0301",
            &format!("Incorrect IAM authentication information: {reason}"),
        );
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let in_project = |name: &str| path == format!("/v1.0/{PROJECT}/kms/{name}");
    let id = KEY.split_once(':').expect("two parts").1;
    match request.method.as_str() {
        "GET" if path == "/v3/projects" && query == "name=tr-west-1" => answer(
            200,
            &json!({ "projects": [{ "id": PROJECT, "name": "tr-west-1" }] }),
        ),
        "GET" if path == "/v3/projects" => answer(200, &json!({ "projects": [] })),
        "POST" if text("encryption_algorithm") != "SYMMETRIC_DEFAULT" => {
            refuse(400, "KMS.0301", "no algorithm")
        }
        "POST" if request.header("x-project-id") != Some(PROJECT) => {
            refuse(403, "KMS.0308", "not your project")
        }
        "POST" if text("key_id") != id => refuse(404, "KMS.1001", "Key does not exist"),
        "POST" if in_project("encrypt-data") => {
            let wrapped = BASE64_STANDARD.encode(format!("{id}/{}", text("plain_text")));
            answer(200, &json!({ "key_id": id, "cipher_text": wrapped }))
        }
        "POST" if in_project("decrypt-data") => {
            let wrapped = BASE64_STANDARD
                .decode(text("cipher_text"))
                .unwrap_or_default();
            let wrapped = String::from_utf8(wrapped).unwrap_or_default();
            match wrapped.strip_prefix(&format!("{id}/")) {
                Some(plain) => answer(200, &json!({ "key_id": id, "plain_text": plain })),
                None => refuse(400, "KMS.1201", "Decryption failed"),
            }
        }
        _ => refuse(404, "APIGW.0101", "The API does not exist"),
    }
}

/// Computes the signature of a request anew, from what it says was signed.
fn check_signature(request: &Received) -> Result<(), &'static str> {
    let authorization = request.header("authorization").ok_or("not signed")?;
    let rest = authorization
        .strip_prefix("SDK-HMAC-SHA256 ")
        .ok_or("another way of signing")?;
    let part = |name: &str| {
        let mut parts = rest.split(", ");
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    if part("Access") != Some(ACCESS_KEY) {
        return Err("another access key");
    }
    let date = request.header("x-sdk-date").ok_or("no date")?;
    check_date(date).ok_or("not of now")?;
    let names = part("SignedHeaders").ok_or("nothing signed")?;
    if !names.split(';').any(|name| name == "x-sdk-date") {
        return Err("the date is not signed");
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut call = format!(
        "{}\n{}/\n{query}\n",
        request.method,
        path.trim_end_matches('/')
    );
    for name in names.split(';') {
        let value = request.header(name).ok_or("a signed header is missing")?;
        let _ = writeln!(call, "{name}:{value}");
    }
    let _ = write!(call, "\n{names}\n{}", hex(&Sha256::digest(&request.body)));
    let text = format!("SDK-HMAC-SHA256\n{date}\n{}", hex(&Sha256::digest(call)));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes()).expect("any key");
    mac.update(text.as_bytes());
    match part("Signature") == Some(&hex(&mac.finalize().into_bytes())) {
        true => Ok(()),
        false => Err("the signature is wrong"),
    }
}

/// Whether a date is today's or, around midnight, that of the day before or after.
fn check_date(date: &str) -> Option<()> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let before_month = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let this_one = (month > 2 && (year % 4 == 0 && year % 100 != 0 || year % 400 == 0)) as i64;
    let days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
        + this_one
        + before_month.get(usize::try_from(month - 1).ok()?)?
        + day
        - 1;
    let then = days * 86400 + hour * 3600 + minute * 60 + second;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    (date.len() == 16 && then.abs_diff(i64::try_from(now).ok()?) < 900).then_some(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(status: u16, body: &Value) -> Reply {
    let kind = "content-type: application/json\r\n".to_owned();
    Reply::Answer(status, kind, body.to_string().into_bytes())
}

fn refuse(status: u16, code: &str, message: &str) -> Reply {
    answer(
        status,
        &json!({ "error": { "error_code": code, "error_msg": message } }),
    )
}

fn healthy() -> Server {
    Server::start(None, |_, request| kms(request))
}

/// The settings for a service at this address.
fn settings(address: &str) -> Vec<(&str, &str)> {
    vec![
        (ENDPOINT, address),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", address),
        ("HUAWEICLOUD_SDK_AK", ACCESS_KEY),
        ("HUAWEICLOUD_SDK_SK", SECRET_KEY),
        ("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT),
    ]
}

/// The same with one of them set otherwise.
fn but<'a>(
    settings: &[(&'a str, &'a str)],
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut settings: Vec<_> = settings.to_vec();
    settings.retain(|(other, _)| *other != name);
    settings.push((name, value));
    settings
}

/// Encrypts a file in place.
fn encrypt(scratch: &Scratch, key: &str, settings: Vec<(&str, &str)>) -> Ran {
    scratch.write("plain.yaml", PLAIN);
    let arguments = ["encrypt", "--hckms", key, "-i", "plain.yaml"];
    let ran = scratch.run_with(Program::Ours, arguments, settings, None);
    assert_eq!(ran.stdout, b"");
    let is_untouched = scratch.read("plain.yaml") == PLAIN;
    assert_eq!(ran.code != 0, is_untouched, "{}", ran.stderr);
    for secret in [SECRET_KEY, "opensesame"] {
        assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
    }
    ran
}

#[track_caller]
fn failure(scratch: &Scratch, key: &str, settings: Vec<(&str, &str)>) -> String {
    let ran = encrypt(scratch, key, settings);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    ran.stderr
}

#[test]
fn ours_and_the_reference() {
    if !has_reference() {
        return;
    }
    let server = healthy();
    let address = server.address();
    let scratch = Scratch::new();
    scratch.write("plain.yaml", PLAIN);
    let run = |program, arguments: &[&str]| {
        scratch.run_with(program, arguments, settings(&address), None)
    };
    for (writer, reader) in [
        (Program::Ours, Program::Reference),
        (Program::Reference, Program::Ours),
        (Program::Ours, Program::Ours),
    ] {
        let encrypted = run(writer, &["encrypt", "--hckms", KEY, "plain.yaml"]).ok();
        scratch.write("enc.yaml", encrypted);
        assert_eq!(run(reader, &["decrypt", "enc.yaml"]).ok(), PLAIN);
    }
    let paths: Vec<String> = server
        .received()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths.len(), 6, "{paths:?}");
}

#[test]
fn credentials_and_the_project_from_the_file_and_from_iam() {
    let server = healthy();
    let address = server.address();
    let scratch = Scratch::new();
    let home = scratch.folder().join("../home/.huaweicloud");
    fs::create_dir(&home).expect("a home");
    let only = vec![(ENDPOINT, address.as_str())];
    let said = failure(&scratch, KEY, only.clone());
    assert!(said.contains("there is no access key"), "{said}");
    assert!(said.contains("HUAWEICLOUD_SDK_AK"), "{said}");
    fs::write(home.join("credentials"), "[global]\nak = x\nsk = y\n").expect("a home");
    assert!(failure(&scratch, KEY, only.clone()).contains("[basic]"));
    let text = format!("[basic]\nak = {ACCESS_KEY}\nsk = {SECRET_KEY}\niam_endpoint = {address}\n");
    fs::write(home.join("credentials"), text).expect("a home");
    assert!(server.received().is_empty());
    encrypt(&scratch, KEY, only.clone()).ok();
    let paths: Vec<String> = server
        .received()
        .into_iter()
        .map(|request| request.path)
        .collect();
    let wrap = format!("/v1.0/{PROJECT}/kms/encrypt-data");
    assert_eq!(paths, ["/v3/projects?name=tr-west-1", &wrap]);
    let other = vec![("HUAWEICLOUD_SDK_REGION_KMS_CN_NORTH_4", address.as_str())];
    let said = failure(&scratch, "cn-north-4:1", other);
    assert!(said.contains("0 projects are called cn-north-4"), "{said}");
}

#[test]
fn refusals_and_faults() {
    let server = healthy();
    let address = server.address();
    let good = settings(&address);
    let scratch = Scratch::new();
    let other_key = KEY.replace("4000", "4001");
    for (key, settings, words) in [
        (
            KEY,
            but(&good, "HUAWEICLOUD_SDK_SK", "another-key"),
            "the signature is wrong (APIGW.0301) (status 401)",
        ),
        (
            KEY,
            but(&good, "HUAWEICLOUD_SDK_AK", "OTHER"),
            "another access key",
        ),
        (
            KEY,
            but(&good, "HUAWEICLOUD_SDK_PROJECT_ID", "other"),
            "not your project",
        ),
        (
            KEY,
            but(&good, "HUAWEICLOUD_SDK_PROJECT_ID", "../x"),
            "project id",
        ),
        (
            KEY,
            but(&good, "SOPS_KEY_TIMEOUT", "soon"),
            "no number of seconds",
        ),
        (&other_key, good.clone(), "Key does not exist (KMS.1001)"),
        ("evil.example/:1", good.clone(), "no region"),
        ("tr-west-1.evil:1", good.clone(), "no region"),
    ] {
        let said = failure(&scratch, key, settings);
        assert!(said.contains(words), "{words}: {said}");
    }
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{".to_vec();
    type Make = Box<dyn Fn() -> Reply + Send + Sync>;
    let cases: [(&str, Make); 5] = [
        (
            "before the answer was complete",
            Box::new(move || Reply::Raw(half.clone())),
        ),
        (
            "is not JSON",
            Box::new(|| Reply::Answer(200, String::new(), b"<html>".to_vec())),
        ),
        (
            "no cipher_text",
            Box::new(|| answer(200, &json!({ "cipher_text": 1 }))),
        ),
        (
            "[REDACTED]",
            Box::new(|| refuse(400, "X", &format!("bad {SECRET_KEY}"))),
        ),
        (
            "status 307",
            Box::new(|| {
                Reply::Answer(
                    307,
                    "location: http://127.0.0.1:1/\r\n".to_owned(),
                    Vec::new(),
                )
            }),
        ),
    ];
    for (words, make) in cases {
        let server = Server::start(None, move |_, _| make());
        let said = failure(&scratch, KEY, settings(&server.address()));
        assert!(said.contains(words), "{words}: {said}");
    }
    let server = Server::start(None, |number, request| match number {
        0 | 1 => refuse(503, "X", "busy"),
        _ => kms(request),
    });
    encrypt(&scratch, KEY, settings(&server.address())).ok();
    let server = Server::start(None, |_, _| {
        thread::sleep(Duration::from_secs(2));
        Reply::Silence
    });
    let started = Instant::now();
    let address = server.address();
    let slow = but(&settings(&address), "SOPS_KEY_TIMEOUT", "1");
    let said = failure(&scratch, KEY, slow);
    assert!(said.contains("no answer within 1 s"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(10));
    let down = settings("http://127.0.0.1:1");
    assert!(failure(&scratch, KEY, down).contains("connection refused"));
    let away = settings("https://127.0.0.1:1/path");
    assert!(failure(&scratch, KEY, away).contains("no address"));
}

/// What the kit for Python signs is right to our server, so that what is right to our server is what it checks.
#[test]
fn the_server_takes_what_the_python_kit_signs() {
    let Some(python) = env::var_os(PYTHON) else {
        skip("a python with the clients of clouds (SOPS_TEST_CLOUD_CLIENTS)");
        return;
    };
    let server = healthy();
    let address = server.address();
    let id = KEY.split_once(':').expect("two parts").1;
    let run = |secret_key: &str| {
        let output = Command::new(&python)
            .arg(testdata("peers/huaweicloud_kms.py"))
            .args([&address, ACCESS_KEY, secret_key, PROJECT, id])
            .output()
            .expect("a python");
        Ran::from(output)
    };
    assert_eq!(run(SECRET_KEY).text(), "b3BlbnNlc2FtZQ==\n");
    assert_ne!(run("wrong").code, 0);
    assert_eq!(server.received().len(), 3);
}
