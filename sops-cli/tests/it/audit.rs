//! Records in a real PostgreSQL database: over TLS with a password, as an administrator would have it.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Program::Ours, RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, skip};

const SCHEMA: &str = "CREATE TABLE audit_event (id SERIAL PRIMARY KEY, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, \
    action TEXT, username TEXT, file TEXT); \
    CREATE ROLE sops WITH LOGIN PASSWORD 'sops'; GRANT INSERT ON audit_event TO sops; \
    GRANT USAGE ON audit_event_id_seq TO sops;";

const AUTHORITY: &[u8] = include_bytes!("../../../testdata/audit/authority.crt");
const CERTIFICATE: &[u8] = include_bytes!("../../../testdata/audit/server.crt");
const KEY: &[u8] = include_bytes!("../../../testdata/audit/server.key");

/// A server in a folder of its own, ended when dropped.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    process: Child,
    /// PostgreSQL does not run as root.
    user: Option<u32>,
}

impl Server {
    /// Starts it, if it is installed.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip("PostgreSQL (SOPS_TEST_POSTGRES, /usr/lib/postgresql/*/bin or on PATH)");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("sops-pg-")
            .tempdir()
            .expect("a folder");
        let user = user_for_postgres();
        if let Some(id) = user {
            chown(folder.path(), Some(id), None).expect("root gives files away");
        }
        let data = folder.path().join("data");
        let init = [
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
            "-U",
            "postgres",
            "-D",
        ];
        let mut command = as_user(&programs.join("initdb"), user);
        let made = command
            .args(init)
            .arg(&data)
            .output()
            .expect("initdb is there");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        for (name, text) in [("server.crt", CERTIFICATE), ("server.key", KEY)] {
            use std::os::unix::fs::PermissionsExt;
            let path = data.join(name);
            fs::write(&path, text).expect("our own folder");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
            if let Some(id) = user {
                chown(&path, Some(id), None).expect("root gives files away");
            }
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = as_user(&programs.join("postgres"), user)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-c", "ssl=on", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres is there");
        let server = Self {
            folder,
            programs,
            port,
            process,
            user,
        };
        let start = Instant::now();
        while server.query("SELECT 1").is_none() {
            assert!(start.elapsed() < Duration::from_secs(30), "it starts");
            thread::sleep(Duration::from_millis(50));
        }
        server.query(SCHEMA).expect("a new database");
        Some(server)
    }

    fn query(&self, query: &str) -> Option<String> {
        let output = as_user(&self.programs.join("psql"), self.user)
            .args([
                "-X",
                "-A",
                "-t",
                "-U",
                "postgres",
                "-p",
                &self.port.to_string(),
                "-h",
            ])
            .arg(self.folder.path())
            .args(["-c", query, "postgres"])
            .output()
            .expect("psql is there");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Takes the rows that came since the last time: action and base name of the file.
    fn rows(&self, user: &str) -> Vec<String> {
        let rows = self.query("SELECT action, username, file FROM audit_event ORDER BY id");
        let rows = rows.expect("the table is there");
        self.query("TRUNCATE audit_event")
            .expect("the table is there");
        rows.lines()
            .map(|row| {
                let columns: Vec<_> = row.split('|').collect();
                assert_eq!(columns[1], user, "{row}");
                assert!(columns[2].starts_with('/'), "{row}");
                format!(
                    "{} {}",
                    columns[0],
                    columns[2].rsplit('/').next().unwrap_or_default()
                )
            })
            .collect()
    }

    fn url(&self, password: &str, rest: &str) -> String {
        format!(
            "postgres://sops:{password}@127.0.0.1:{}/postgres{rest}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, connections or not.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "INT", &id]).status();
        let _ = self.process.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let given = env::var_os("SOPS_TEST_POSTGRES").map(PathBuf::from);
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    given
        .into_iter()
        .chain(debian)
        .chain(env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The number of the user `postgres`, if this is root.
fn user_for_postgres() -> Option<u32> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    (id(&["-u"]) == Some(0))
        .then(|| id(&["-u", "postgres"]).expect("Debian's package makes the user"))
}

fn as_user(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(id) = user {
        command.uid(id);
    }
    command
}

fn run(scratch: &Scratch, arguments: &[&str]) -> Ran {
    let mut command = scratch.command(Ours);
    command
        .args(arguments)
        .env("SOPS_AUDIT_CONFIG", scratch.path("audit.yaml"))
        .env("EDITOR", "sed -i s/old/new/");
    command.output().expect("it starts").into()
}

fn configure(scratch: &Scratch, urls: &[String]) {
    let mut text = String::from("other: [1]\nbackends:\n  later: {}\n  postgres:\n");
    for url in urls {
        text += &format!("    - connection_string: \"{url}\"\n");
    }
    scratch.write("audit.yaml", text);
}

fn own_name() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_happens_to_files_is_recorded() {
    let Some(server) = Server::start() else {
        return;
    };
    let scratch = Scratch::new();
    let root = scratch.write("root.crt", AUTHORITY);
    let verified = format!("?sslmode=verify-full&sslrootcert={}", root.display());
    configure(&scratch, &[server.url("sops", &verified)]);
    scratch.write("a.yaml", "user: old\nlist: [1]\n");
    scratch.write("b.json", "{\"user\": \"x\"}");
    scratch.write(
        ".sops.yaml",
        format!("creation_rules: [{{age: '{RECIPIENT},{SECOND_RECIPIENT}'}}]\n"),
    );
    let name = own_name();
    for (arguments, rows) in [
        (
            ["encrypt", "-i", "--age", RECIPIENT, "a.yaml"].as_slice(),
            ["encrypt a.yaml"].as_slice(),
        ),
        (
            &["-e", "-i", "--age", RECIPIENT, "b.json"],
            &["encrypt b.json"],
        ),
        (&["decrypt", "a.yaml"], &["decrypt a.yaml"]),
        (&["-d", "--extract", "user", "b.json"], &["decrypt b.json"]),
        (&["get", "a.yaml", "user"], &["decrypt a.yaml"]),
        (&["a.yaml"], &["decrypt a.yaml", "encrypt a.yaml"]),
        (
            &["set", "a.yaml", "user", "1"],
            &["decrypt a.yaml", "encrypt a.yaml"],
        ),
        (
            &["unset", "a.yaml", "list[0]"],
            &["decrypt a.yaml", "encrypt a.yaml"],
        ),
        (&["exec-env", "b.json", "true"], &["decrypt b.json"]),
        (&["exec-file", "b.json", "true"], &["decrypt b.json"]),
        (
            &["rotate", "-i", "a.yaml"],
            &["rotate a.yaml", "decrypt a.yaml", "encrypt a.yaml"],
        ),
        // No value is decrypted here.
        (
            &["groups", "add", "-f", "a.yaml", "--age", SECOND_RECIPIENT],
            &[],
        ),
        (&["updatekeys", "--yes", "a.yaml"], &[]),
        (
            &["updatekeys", "--yes", "--rotate", "a.yaml"],
            &["rotate a.yaml", "decrypt a.yaml", "encrypt a.yaml"],
        ),
        // The second decryption is of what was just encrypted.
        (
            &["set", "--output-type", "yaml", "b.json", "user", "1"],
            &["decrypt b.json", "encrypt b.json"],
        ),
        (&["filestatus", "a.yaml"], &[]),
        (&["recipients", "a.yaml"], &[]),
        (&["--version"], &[]),
    ] {
        let ran = run(&scratch, arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        assert_eq!(server.rows(&name), rows, "{arguments:?}");
    }
    what_is_published_is_recorded(&server, &scratch, &name);
    // A failure that comes before is not recorded.
    for arguments in [["decrypt", "missing.yaml"], ["decrypt", "audit.yaml"]] {
        assert_ne!(run(&scratch, &arguments).code, 0);
        assert!(server.rows(&name).is_empty(), "{arguments:?}");
    }
    what_cannot_be_recorded_does_not_happen(&server, &scratch, &root);
}

/// Files are ready to be published before anybody is asked, and nobody answers here.
fn what_is_published_is_recorded(server: &Server, scratch: &Scratch, name: &str) {
    let anew = format!("{{s3_bucket: b, recreation_rule: {{age: {RECIPIENT}}}}}");
    for (rule, rows) in [
        ("{s3_bucket: b}", [].as_slice()),
        (anew.as_str(), &["decrypt a.yaml", "encrypt a.yaml"]),
        ("{vault_path: p}", &["decrypt a.yaml"]),
    ] {
        scratch.write(".sops.yaml", format!("destination_rules:\n  - {rule}\n"));
        let ran = run(scratch, &["publish", "a.yaml"]);
        assert!(ran.stderr.contains("nobody answers"), "{}", ran.stderr);
        assert_eq!(server.rows(name), rows, "{rule}");
    }
}

fn what_cannot_be_recorded_does_not_happen(server: &Server, scratch: &Scratch, root: &Path) {
    scratch.write("plain.yaml", "user: admin\n");
    let before = scratch.read("a.yaml");
    let good = server.url("sops", "");
    let named = server.url(
        "sops",
        &format!("?sslmode=verify-full&sslrootcert={}", root.display()),
    );
    for (urls, message) in [
        (
            vec![server.url("wr0ng", "")],
            "password authentication failed",
        ),
        (
            vec![good.clone(), server.url("wr0ng", "")],
            "audit database 2",
        ),
        (
            vec![server.url("sops", "?sslmode=verify-full")],
            "connecting to audit database 1 failed",
        ),
        (
            vec![named.replace("127.0.0.1", "localhost.localdomain:1,127.0.0.2")],
            "connecting to audit database 1 failed",
        ),
        (
            vec![good.replace(&server.port.to_string(), "1")],
            "connecting to audit database 1 failed",
        ),
        (
            vec![good.replace("sops:sops@", "nobody:wr0ng@")],
            "connecting",
        ),
        (
            vec![good.replace("/postgres", "/nothing")],
            "connecting to audit database 1 failed",
        ),
        (
            vec!["wr0ng".to_owned()],
            "the connection string of audit database 1 cannot be read",
        ),
        (
            vec![server.url("wr0ng", "?sslmode=wr0ng")],
            "sslmode is none of",
        ),
    ] {
        configure(scratch, &urls);
        for arguments in [
            ["decrypt", "a.yaml"].as_slice(),
            &["set", "a.yaml", "user", "2"],
            &["a.yaml"],
            &["encrypt", "-i", "--age", RECIPIENT, "plain.yaml"],
        ] {
            let ran = run(scratch, arguments);
            assert_eq!(ran.code, 1, "{message}: {}", ran.stderr);
            assert!(ran.stderr.contains(message), "{message}: {}", ran.stderr);
            assert!(!ran.stderr.contains("wr0ng"), "{}", ran.stderr);
            assert!(ran.stdout.is_empty());
            assert!(scratch.read("a.yaml") == before);
            assert_eq!(scratch.read_text("plain.yaml"), "user: admin\n");
        }
    }
    scratch.write("audit.yaml", "backends: {postgres: 5}\n");
    assert_eq!(run(scratch, &["decrypt", "a.yaml"]).code, 1);
    // A table that takes nothing.
    configure(scratch, &[good]);
    server
        .query("REVOKE INSERT ON audit_event FROM sops")
        .expect("the table is there");
    let ran = run(scratch, &["decrypt", "a.yaml"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("failed to insert audit record"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}
