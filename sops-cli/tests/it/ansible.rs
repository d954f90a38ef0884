//! Ansible with the collection community.sops, started for real: its lookup, filter, variables and modules get from ours
//! what they get from the reference. The playbook is in `testdata/ansible`.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Ran, Scratch, has_reference, in_parallel, read_testdata, skip,
};

/// Files that the playbook reads, encrypted by the reference.
const ENCRYPTED: [(&str, &str); 10] = [
    (
        "a.yaml",
        "user: admin\npassword: 'hunter2'\nlist:\n    - 1\n    - two\n",
    ),
    ("a.json", "{\"user\": \"admin\", \"port\": 80}"),
    ("a.env", "USER=admin\nPASSWORD=hunter2\n"),
    ("a.ini", "[db]\nuser = admin\n"),
    ("a.bin", "any bytes\n\n"),
    ("no-ending.yaml", "user: admin\n"),
    ("damaged.yaml", "user: admin\nmode_unencrypted: open\n"),
    (
        "more.sops.yaml",
        "plain: text\ncomputed: \"{{ 'a' ~ 'b' }}\"\n",
    ),
    ("group_vars/all.sops.yaml", "of_all: secret for all\n"),
    ("host_vars/localhost.sops.yaml", "of_host: [1, two]\n"),
];

/// `ansible-playbook`, with the collection beside it.
fn ansible_playbook() -> Option<PathBuf> {
    let program = PathBuf::from(env::var_os("SOPS_TEST_ANSIBLE")?);
    program.is_file().then_some(program)
}

/// The folder that the playbook is run in.
fn folder(encrypted: &BTreeMap<&str, Vec<u8>>) -> Scratch {
    let scratch = Scratch::new();
    for name in ["playbook.yml", "ansible.cfg"] {
        scratch.write(name, read_testdata(&format!("ansible/{name}")));
    }
    scratch.write("inventory", "localhost ansible_connection=local\n");
    let rules = format!("creation_rules:\n  - age: {RECIPIENT}\n");
    scratch.write("out/.sops.yaml", rules);
    for (name, content) in encrypted {
        scratch.write(name, content);
    }
    fs::rename(scratch.path("no-ending.yaml"), scratch.path("no-ending")).expect("our own file");
    let damaged = scratch.read_text("damaged.yaml").replace("open", "shut");
    scratch.write("damaged.yaml", damaged);
    // What is not encrypted is left out by the plugin, which asks `sops filestatus`, and read by Ansible itself.
    scratch.write("host_vars/clear.sops.yaml", "a: b\n");
    scratch.write("group_vars/all/clear.yml", "of_clear: clear\n");
    scratch.write(
        "group_vars/all/clear.sops.yaml",
        "of_clear: not encrypted, not read by the plugin\n",
    );
    scratch
}

fn play(ansible: &Path, scratch: &Scratch, program: Program) -> Ran {
    let ours_or_theirs = scratch.command(program);
    let binaries = scratch.path("bin");
    fs::create_dir(&binaries).expect("a new folder");
    symlink(ours_or_theirs.get_program(), binaries.join("sops")).expect("a new link");
    let path = env::var("PATH").unwrap_or_default();
    let python = ansible.with_file_name("python");
    let mut command = Command::new(ansible);
    command.env_clear();
    for (name, value) in ours_or_theirs.get_envs() {
        command.env(name, value.expect("set, not removed"));
    }
    let ran = command
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_CONFIG", scratch.path("ansible.cfg"))
        .env("ANSIBLE_PYTHON_INTERPRETER", python)
        .env("ANSIBLE_NOCOLOR", "1")
        .args(["-i", "inventory", "playbook.yml"])
        .args(["--extra-vars", &format!("recipient={RECIPIENT}")])
        .current_dir(scratch.folder())
        .stdin(Stdio::null())
        .output();
    ran.expect("it starts").into()
}

/// What was written, by name; encrypted files in the clear.
fn results(scratch: &Scratch) -> BTreeMap<String, String> {
    let mut results = BTreeMap::new();
    for entry in fs::read_dir(scratch.path("out")).expect("a readable folder") {
        let name = entry.expect("readable").file_name();
        let name = name.into_string().expect("our own name");
        let file = format!("out/{name}");
        let text = match name.contains('.') && name != ".sops.yaml" {
            true => scratch.run(Reference, ["decrypt", &file]).ok(),
            false => scratch.read(&file),
        };
        results.insert(name, String::from_utf8_lossy(&text).into_owned());
    }
    results
}

#[test]
fn gets_what_it_gets_from_the_reference() {
    let Some(ansible) = ansible_playbook() else {
        return skip("Ansible with community.sops (SOPS_TEST_ANSIBLE, its ansible-playbook)");
    };
    if !has_reference() {
        return;
    }
    let maker = Scratch::new();
    let encrypted: BTreeMap<&str, Vec<u8>> = ENCRYPTED
        .iter()
        .map(|(name, text)| (*name, maker.encrypt(Reference, name, text.as_bytes()).ok()))
        .collect();
    let [ours, theirs]: [_; 2] = in_parallel(&[Ours, Reference], |&program| {
        let scratch = folder(&encrypted);
        let ran = play(&ansible, &scratch, program);
        let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
        assert_eq!(ran.code, 0, "{told}");
        let chosen = scratch.read_text("out/chosen.yaml");
        assert!(
            chosen.starts_with("password: ENC[") && chosen.contains("\nuser: admin\n"),
            "{chosen}"
        );
        let results = results(&scratch);
        scratch.assert_nothing_left();
        results
    })
    .try_into()
    .expect("one for each");
    assert!(ours.len() > 20, "{:?}", ours.keys());
    assert_eq!(ours, theirs);
    assert_eq!(ours["lookup-text"], "hunter2");
    assert_eq!(
        ours["variables"],
        "[\"secret for all\", [1, \"two\"], \"clear\"]"
    );
    assert_eq!(
        ours["outcome"],
        "[true, true, true, true, true]\n[false, false, false, false, false]\n[true, true]\nTrue\nTrue\n"
    );
}
