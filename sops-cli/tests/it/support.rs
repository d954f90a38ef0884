//! What the tests share: scratch folders, running ours and the reference in them, and comparing what comes out.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// The recipient of the first identity in `testdata/golden/keys/age.txt`.
pub(crate) const RECIPIENT: &str = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
/// That of the second.
pub(crate) const SECOND_RECIPIENT: &str =
    "age1s7la82309s8h4fa4ce4yxt4pnt64zw6gqtyf0kkdhyvxl56zhsesc237hd";

/// Which program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Ours,
    Reference,
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// How long a program may take, on a machine that does many other things.
const PATIENCE: Duration = Duration::from_secs(300);

impl Ran {
    /// Waits until a program has ended, and everything it started has closed the pipes that it got.
    #[track_caller]
    pub(crate) fn of(child: Child) -> Self {
        let id = child.id();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = output.recv_timeout(PATIENCE) else {
            panic!("process {id}, or one that it started, does not end");
        };
        output.expect("it is ours to wait for").into()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns what was printed, if all went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// What `publish --json` printed, a line for each file: its name, where it went, and what became of it.
    #[cfg(any(feature = "aws-kms", feature = "hc-vault"))]
    #[track_caller]
    pub(crate) fn published(&self) -> Vec<[String; 3]> {
        let text = self.text();
        let lines = text.lines().map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            assert_eq!(report.as_object().map(serde_json::Map::len), Some(3));
            ["file", "destination", "status"].map(|key| {
                let value = report[key].as_str();
                value.unwrap_or_else(|| panic!("{key}: {line}")).to_owned()
            })
        });
        lines.collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder of its own, with a home folder beside it, removed in the end.
pub(crate) struct Scratch {
    root: tempfile::TempDir,
    /// What programs take for a folder in memory, where there is one.
    memory: Option<tempfile::TempDir>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("sops-test-")
            .tempdir()
            .expect("a temporary folder");
        for folder in ["work", "home", "tmp"] {
            fs::create_dir(root.path().join(folder)).expect("an empty folder to make it in");
        }
        let mut memory = tempfile::Builder::new();
        let memory = memory.prefix("sops-test-").tempdir_in("/dev/shm").ok();
        Self { root, memory }
    }

    /// Panics if anything is in the folders for temporary files, in memory or not.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let memory = self.memory.as_ref().map(|folder| folder.path().to_owned());
        for folder in [Some(self.temporary()), memory].into_iter().flatten() {
            let left = fs::read_dir(folder).expect("a readable folder");
            let left: Vec<_> = left.map(|entry| entry.expect("readable").path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }

    /// Returns the folder that programs are run in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Returns the folder that programs use for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a new folder");
        fs::write(&path, content).expect("a writable scratch folder");
        path
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub(crate) fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("a text")
    }

    /// Returns a command with nothing in its environment but what it needs: the test identities, a home of its own.
    pub(crate) fn command(&self, program: Program) -> Command {
        let mut command = Command::new(match program {
            Program::Ours => Path::new(env!("CARGO_BIN_EXE_sops")),
            Program::Reference => reference().expect("asked for after looking for it"),
        });
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.temporary())
            .env("SOPS_AGE_KEY_FILE", testdata("golden/keys/age.txt"))
            .env("SOPS_DISABLE_VERSION_CHECK", "1")
            // The reference would start one that waits for somebody.
            .env("EDITOR", "false")
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(memory) = &self.memory {
            command.env("XDG_RUNTIME_DIR", memory.path());
        }
        command
    }

    /// Runs a program with these arguments.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        program: Program,
        arguments: impl IntoIterator<Item = A>,
    ) -> Ran {
        let mut command = self.command(program);
        command.args(arguments);
        Ran::of(command.spawn().expect("the program starts"))
    }

    /// Runs a program with these arguments, with settings in its environment, and with this standard input.
    pub(crate) fn run_with<'a, A: AsRef<OsStr>>(
        &self,
        program: Program,
        arguments: impl IntoIterator<Item = A>,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
        input: Option<&[u8]>,
    ) -> Ran {
        let mut command = self.command(program);
        command.args(arguments).envs(settings);
        let Some(input) = input else {
            return Ran::of(command.spawn().expect("the program starts"));
        };
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("piped above");
        thread::scope(|scope| {
            // A program that does not read all of it closes the pipe: nothing to complain about.
            scope.spawn(move || drop(stdin.write_all(input)));
            Ran::of(child)
        })
    }

    /// Encrypts a text with the program, for the first test identity.
    pub(crate) fn encrypt(&self, program: Program, name: &str, text: &[u8]) -> Ran {
        self.write(name, text);
        self.run(program, ["encrypt", "--age", RECIPIENT, name])
    }

    /// Decrypts an encrypted text with the program.
    pub(crate) fn decrypt(&self, program: Program, name: &str, text: &[u8]) -> Ran {
        self.write(name, text);
        self.run(program, ["decrypt", name])
    }
}

/// Returns a command that starts another one as `nohup` does: with a signal ignored. Standard output and error are piped.
#[cfg(unix)]
pub(crate) fn ignoring(signal: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("trap '' {signal}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("set, not removed"));
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// Returns a path in `testdata/`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")).join(name)
}

#[track_caller]
pub(crate) fn read_testdata(name: &str) -> Vec<u8> {
    fs::read(testdata(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns a table of test cases.
#[track_caller]
pub(crate) fn cases(name: &str) -> Vec<serde_json::Value> {
    serde_json::from_slice(&read_testdata(name)).expect("a list of cases")
}

/// Returns a number that can be set in the environment, to test more than by default.
pub(crate) fn number_from_env(name: &str, default: usize) -> usize {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    }
}

/// Says that a test was skipped for want of `what`; panics where everything is required.
pub(crate) fn skip(what: &str) {
    assert!(
        env::var("SOPS_TEST_PEERS").as_deref() != Ok("required"),
        "{what} is not there, and SOPS_TEST_PEERS=required"
    );
    eprintln!("\n*** SKIPPED: {what} is not there ***\n");
}

/// Returns whether the reference is there; if not, says that the test is skipped.
pub(crate) fn has_reference() -> bool {
    if reference().is_none() {
        skip("getsops/sops 3.x (SOPS_REFERENCE, ~/go/bin/sops or on PATH)");
    }
    reference().is_some()
}

/// Returns the reference: what `SOPS_REFERENCE` names, or a `sops` where Go installs programs, or on the path.
fn reference() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            if let Some(path) = env::var_os("SOPS_REFERENCE") {
                let path = PathBuf::from(path);
                assert!(is_reference(&path), "SOPS_REFERENCE names it");
                return Some(path);
            }
            go_programs("sops")
                .into_iter()
                .find(|path| is_reference(path))
        })
        .as_deref()
}

/// Returns the programs with this name: where Go installs them, then on the path.
pub(crate) fn go_programs(name: &str) -> Vec<PathBuf> {
    let go_path = Command::new("go").args(["env", "GOPATH"]).output();
    let go_path = go_path.ok().filter(|output| output.status.success());
    let go_path = go_path.map(|output| String::from_utf8_lossy(&output.stdout).trim().into());
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join("go"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut found = Vec::new();
    let folders = [go_path, home].into_iter().flatten();
    for folder in folders
        .map(|folder: PathBuf| folder.join("bin"))
        .chain(env::split_paths(&on_path))
    {
        let program = folder.join(name);
        if program.is_file() && !found.contains(&program) {
            found.push(program);
        }
    }
    found
}

/// Returns whether a program is the reference, and not ours under the same name.
fn is_reference(path: &Path) -> bool {
    let output = Command::new(path)
        .arg("--version")
        .env("SOPS_DISABLE_VERSION_CHECK", "1")
        .output();
    output.is_ok_and(|output| {
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        version.starts_with("sops 3.") && !version.contains("sops-rs")
    })
}

/// What the reference makes of a plaintext: the types of its leaves in order, and its content.
///
/// The types come from what it encrypts them as, the content from decrypting that: as JSON, or in the file's format
/// where JSON cannot hold it. Layout, comments and styles are not in it.
#[derive(Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) types: Vec<String>,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    Json(Vec<serde_json::Value>),
    Text(String),
}

/// Returns the tree of a plaintext, or how the reference failed to encrypt it.
pub(crate) fn tree_of_plain(name: &str, text: &[u8]) -> Result<Tree, Ran> {
    let scratch = Scratch::new();
    let name = file_name(name);
    let encrypted = scratch.encrypt(Program::Reference, name, text);
    if encrypted.code != 0 {
        return Err(encrypted);
    }
    let types = types(&encrypted.text());
    let content = match content(name, &encrypted.stdout) {
        // It cannot open its own file because of a comment in a list. It can open ours.
        Err(ran) if ran.code == 51 => {
            content(name, &scratch.encrypt(Program::Ours, name, text).ok())?
        }
        other => other?,
    };
    Ok(Tree { types, content })
}

/// Returns the tree of an encrypted file, or how the reference failed to decrypt it.
pub(crate) fn tree_of_encrypted(name: &str, encrypted: &[u8]) -> Result<Tree, Ran> {
    Ok(Tree {
        types: types(&String::from_utf8_lossy(encrypted)),
        content: content(file_name(name), encrypted)?,
    })
}

fn content(name: &str, encrypted: &[u8]) -> Result<Content, Ran> {
    let scratch = Scratch::new();
    scratch.write(name, encrypted);
    let json = scratch.run(
        Program::Reference,
        ["decrypt", "--output-type", "json", name],
    );
    match json.code {
        0 => Ok(Content::Json(json_documents(&json.stdout))),
        4 => {
            let text = scratch.run(Program::Reference, ["decrypt", name]).text();
            let is_comment = |line: &&str| line.trim_start().starts_with('#');
            let lines = text.lines().filter(|line| !is_comment(line));
            // A comment after `{}` makes the reference print the brackets on two lines.
            let text = lines.collect::<Vec<_>>().join("\n").replace("{\n}", "{}");
            Ok(Content::Text(text))
        }
        _ => Err(json),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .expect("splitting gives one part or more")
}

/// Returns the documents of a JSON text, one after the other.
pub(crate) fn json_documents(text: &[u8]) -> Vec<serde_json::Value> {
    serde_json::Deserializer::from_slice(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("the reference writes JSON")
}

/// Returns the types of the encrypted values of a file, in order, without comments, `mac` and `layout`.
pub(crate) fn types(encrypted: &str) -> Vec<String> {
    let mut types = Vec::new();
    let mut before = "";
    for (index, part) in encrypted.split("ENC[AES256_GCM,").enumerate() {
        let (value, rest) = part.split_once(']').unwrap_or(("", part));
        let key = before.trim_end().trim_end_matches(['"', ':', '=', ' ']);
        let key = key.rsplit([' ', '"', '\n', '\t', '{', ',']).next();
        let word = value.split_once("type:").map_or("", |(_, word)| word);
        if index > 0
            && word != "comment"
            && !matches!(key, Some("mac" | "layout" | "sops_mac" | "sops_layout"))
        {
            types.push(word.to_owned());
        }
        before = if index == 0 { part } else { rest };
    }
    types
}

/// Panics with all failures, if there are any.
#[track_caller]
pub(crate) fn report(failures: &[String], of: usize) {
    assert!(
        failures.is_empty(),
        "{} of {of} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Runs `job` for every item, on as many threads as there are processors, and returns what it returned, in order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((index, item)) = Some(next.fetch_add(1, Ordering::Relaxed))
            .and_then(|index| Some((index, items.get(index)?)))
        {
            done.push((index, job(item)));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        threads
            .into_iter()
            .flat_map(|thread| join(thread).expect("a job that does not panic"))
            .collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
