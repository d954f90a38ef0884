use super::*;

fn rewritten(line: &str) -> Result<Request, Failure> {
    let arguments = line.split_whitespace().map(OsString::from).collect();
    rewrite(&Definitions::new(), arguments, |name| name == "existing")
}

fn arguments(line: &str) -> (String, Vec<String>) {
    match rewritten(line) {
        Ok(Request::Run {
            arguments,
            warnings,
            ..
        }) => {
            let words: Vec<_> = arguments
                .iter()
                .map(|word| word.to_string_lossy())
                .collect();
            (words.join(" "), warnings)
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn rewrites() {
    for (line, expected) in [
        // Verbs.
        ("decrypt f.yaml", "sops decrypt -- f.yaml"),
        ("decrypt", "sops decrypt --"),
        ("decrypt -- f.yaml", "sops decrypt -- f.yaml"),
        ("decrypt -- -d", "sops decrypt -- -d"),
        ("decrypt -", "sops decrypt -- -"),
        ("set f p -5", "sops set -- f p -5"),
        ("set f p -0.5e3 --string", "sops set --string -- f p -0.5e3"),
        ("--config= -d f", "sops decrypt -- f"),
        ("decrypt -i f.yaml", "sops decrypt --in-place -- f.yaml"),
        ("decrypt f.yaml -i", "sops decrypt --in-place -- f.yaml"),
        (
            "decrypt f.yaml -i g.yaml",
            "sops decrypt --in-place -- f.yaml g.yaml",
        ),
        (
            "decrypt -in-place f.yaml",
            "sops decrypt --in-place -- f.yaml",
        ),
        ("decrypt --i f.yaml", "sops decrypt --in-place -- f.yaml"),
        (
            "decrypt --in-place=T f.yaml",
            "sops decrypt --in-place -- f.yaml",
        ),
        ("decrypt --in-place=false f.yaml", "sops decrypt -- f.yaml"),
        ("decrypt -i -i=0 f.yaml", "sops decrypt -- f.yaml"),
        (
            "decrypt -i=0 -i f.yaml",
            "sops decrypt --in-place -- f.yaml",
        ),
        (
            "decrypt --output o f.yaml",
            "sops decrypt --output=o -- f.yaml",
        ),
        (
            "decrypt -output=o=p f.yaml",
            "sops decrypt --output=o=p -- f.yaml",
        ),
        (
            "decrypt --output -d f.yaml",
            "sops decrypt --output=-d -- f.yaml",
        ),
        ("decrypt --output= f.yaml", "sops decrypt -- f.yaml"),
        ("decrypt decrypt", "sops decrypt -- decrypt"),
        // Global flags, before and after the verb.
        (
            "--config c decrypt f.yaml",
            "sops --config=c decrypt -- f.yaml",
        ),
        (
            "decrypt --config c f.yaml",
            "sops --config=c decrypt -- f.yaml",
        ),
        (
            "--config a --config b decrypt f",
            "sops --config=a --config=b decrypt -- f",
        ),
        ("--config set decrypt f", "sops --config=set decrypt -- f"),
        ("--ignore-mac decrypt f", "sops decrypt --ignore-mac -- f"),
        (
            "decrypt --enable-local-keyservice=false f",
            "sops --enable-local-keyservice=false decrypt -- f",
        ),
        (
            "decrypt --enable-local-keyservice f",
            "sops --enable-local-keyservice decrypt -- f",
        ),
        (
            "decrypt --keyservice a --keyservice b f",
            "sops --keyservice=a --keyservice=b decrypt -- f",
        ),
        // Flags of encrypting beside decrypt.
        ("decrypt --aws-profile p --age x f", "sops decrypt -- f"),
        (
            "--hc-vault-transit u -d --encrypted-regex r -i f",
            "sops decrypt --in-place -- f",
        ),
        // The older form.
        ("f.yaml", "sops edit -- f.yaml"),
        ("existing", "sops edit -- existing"),
        ("secrets", "sops edit -- secrets"),
        ("-i f.yaml", "sops edit -- f.yaml"),
        ("-- decrypt", "sops edit -- decrypt"),
        ("-d f.yaml", "sops decrypt -- f.yaml"),
        ("f.yaml -d", "sops decrypt -- f.yaml"),
        ("--d f.yaml", "sops decrypt -- f.yaml"),
        ("-decrypt=1 f.yaml", "sops decrypt -- f.yaml"),
        ("-e -i f.yaml", "sops encrypt --in-place -- f.yaml"),
        (
            "-e -a x -p y -k z f",
            "sops encrypt --age=x --pgp=y --kms=z -- f",
        ),
        (
            "-e -encrypted-comment-regex r f",
            "sops encrypt --encrypted-comment-regex=r -- f",
        ),
        (
            "-d --extract [\"a\"] f",
            "sops decrypt --extract=[\"a\"] -- f",
        ),
        (
            "--ignore-mac --input-type yaml --output-type yaml --decrypt f",
            "sops decrypt --ignore-mac --input-type=yaml --output-type=yaml -- f",
        ),
        ("-d demo", "sops decrypt -- demo"),
        ("-d doctor", "sops decrypt -- doctor"),
        ("-r f", "sops rotate -- f"),
        ("f --rotate -i", "sops rotate --in-place -- f"),
        (
            "-r --add-age a --rm-kms k f",
            "sops rotate --add-age=a --rm-kms=k -- f",
        ),
        (
            "--add-pgp p rotate --ignore-mac f",
            "sops rotate --add-pgp=p --ignore-mac -- f",
        ),
        ("updatekeys -y f g", "sops updatekeys --yes -- f g"),
        ("updatekeys --rotate f", "sops updatekeys --rotate -- f"),
        (
            "groups add -f f --age a --age b",
            "sops groups --file=f --age=a --age=b -- add",
        ),
        (
            "groups -f f delete 0 -i",
            "sops groups --file=f --in-place -- delete 0",
        ),
        ("--set [\"a\"]=1 f", "sops set --set=[\"a\"]=1 -- f"),
        ("-i --set x f", "sops set --set=x -- f"),
        ("set f [\"a\"] 1", "sops set -- f [\"a\"] 1"),
        ("exec-env f x", "sops exec-env -- f x"),
        ("exec-env f x --pristine", "sops exec-env --pristine -- f x"),
        (
            "exec-env -- f x",
            "sops exec-env --files-before-dashes=0 -- f x",
        ),
        (
            "exec-env f g --pristine -- x -y --pristine",
            "sops exec-env --pristine --files-before-dashes=2 -- f g x -y --pristine",
        ),
        ("-e -i check", "sops encrypt --in-place -- check"),
        ("check a b", "sops check -- a b"),
        // Help.
        ("help", "sops --help"),
        ("h", "sops --help"),
        ("-h", "sops -h"),
        ("-d --help f", "sops --help"),
        ("help encrypt", "sops encrypt --help"),
        ("encrypt -h f", "sops encrypt -h"),
    ] {
        let (actual, warnings) = arguments(line);
        assert_eq!(actual, expected, "{line}");
        assert_eq!(warnings, Vec::<String>::new(), "{line}");
    }
}

#[test]
fn warns_of_what_has_no_effect() {
    for (line, expected, warning) in [
        (
            "-e --ignore-mac f",
            "sops encrypt -- f",
            "--ignore-mac has no effect on encrypt",
        ),
        (
            "--extract x encrypt f",
            "sops encrypt -- f",
            "--extract has no effect on encrypt",
        ),
        (
            "-d encrypt f",
            "sops encrypt -- f",
            "--decrypt has no effect beside the command encrypt",
        ),
        (
            "-r updatekeys f",
            "sops updatekeys -- f",
            "--rotate has no effect beside the command updatekeys",
        ),
        (
            "--add-age a existing",
            "sops edit -- existing",
            "--add-age has no effect on edit",
        ),
        (
            "-e -d f",
            "sops decrypt -- f",
            "more than one command (--encrypt, --decrypt) has been specified; only the last one counts",
        ),
    ] {
        let (actual, warnings) = arguments(line);
        assert_eq!(actual, expected, "{line}");
        assert_eq!(warnings, [warning], "{line}");
    }
}

#[test]
fn prints_the_version_whatever_stands_beside_it() {
    for line in [
        "--version",
        "-v",
        "-version",
        "--version --disable-version-check",
        "--check-for-updates -v",
    ] {
        assert_eq!(rewritten(line).unwrap(), Request::Version, "{line}");
    }
}

#[test]
fn refuses() {
    for (line, message) in [
        ("decrypt --nope f", "flag provided but not defined: --nope"),
        (
            "decrypt --in-plase f",
            "flag provided but not defined: --in-plase",
        ),
        ("decrypt -di f", "flag provided but not defined: --di"),
        (
            "filestatus --age x f",
            "flag provided but not defined: --age",
        ),
        (
            "encrypt --extract x f",
            "flag provided but not defined: --extract",
        ),
        ("---decrypt f", "flag provided but not defined: ---decrypt"),
        ("decrypt --output", "flag needs an argument: --output"),
        (
            "decrypt --in-place=maybe f",
            "invalid boolean value \"maybe\" for --in-place",
        ),
        (
            "-d=maybe f",
            "invalid boolean value \"maybe\" for --decrypt",
        ),
        ("decrpyt f", "there is no command and no file \"decrpyt\""),
        ("rotat f", "there is no command and no file \"rotat\""),
        (
            "help nothing",
            "there is no command and no topic \"nothing\"",
        ),
        ("--extract x f", "--extract works on decrypting only"),
        ("--set", "flag needs an argument: --set"),
        ("set f p -x", "flag provided but not defined: -x"),
        (
            "decrypt --add-age x f",
            "flag provided but not defined: --add-age",
        ),
        (
            "exec-env f --in-place x",
            "flag provided but not defined: --in-place",
        ),
    ] {
        let failure = rewritten(line).expect_err(line);
        assert_eq!(failure.message, message, "{line}");
    }
}
