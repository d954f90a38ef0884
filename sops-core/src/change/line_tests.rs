//! Changes of dotenv and INI files.

use super::{
    tests::{set, unset},
    *,
};

const DOTENV: &str = "# head\nA=1\n\nexport B='x'\nA=2";

#[test]
fn changes_lines_of_dotenv() {
    let lines = |from: &str, to: &str| Ok(DOTENV.replacen(from, to, 1));
    for (path, json, expected) in [
        ("A", "\"new\"", lines("A=1", "A=new")),
        ("A", "5", lines("A=1", "A=5")),
        ("A", "1", Ok("(same)".to_owned())),
        ("[\"export B\"]", "true", lines("'x'", "true")),
        ("C", "\"a\\nb=#\"", lines("A=2", "A=2\nC=a\\nb=#\n")),
        ("C", "1.50", lines("A=2", "A=2\nC=1.5\n")),
        ("C", "\"\"", lines("A=2", "A=2\nC=\n")),
        (
            "C",
            "\"a\\\\nb\"",
            Err("cannot change C: it cannot be written there without changing something else"),
        ),
        (
            "A",
            "null",
            Err("cannot change A: files of the format dotenv hold no null"),
        ),
        (
            "C",
            "[1]",
            Err("cannot change C: a dotenv file holds no maps and lists"),
        ),
        (
            "A",
            "{}",
            Err("cannot change A: a dotenv file holds no maps and lists"),
        ),
        (
            "A.b",
            "1",
            Err("cannot change A.b: a dotenv file holds no maps and lists"),
        ),
        (
            "C.b",
            "1",
            Err("cannot change C.b: a dotenv file holds no maps and lists"),
        ),
        (
            "[\"A=B\"]",
            "1",
            Err("cannot change [\"A=B\"]: files of the format dotenv cannot hold such a key"),
        ),
        (
            "[\"#A\"]",
            "1",
            Err("cannot change [\"#A\"]: files of the format dotenv cannot hold such a key"),
        ),
        (
            "sops_x",
            "1",
            Err("cannot change sops_x: files of the format dotenv cannot hold such a key"),
        ),
    ] {
        let changed = set(DOTENV, Format::Dotenv, path, json);
        assert_eq!(changed, expected.map_err(str::to_owned), "{path} {json}");
    }
    assert_eq!(set("", Format::Dotenv, "A", "1"), Ok("A=1\n".to_owned()));
    for (text, path, expected) in [
        (DOTENV, "A", Ok(DOTENV.replacen("A=1\n", "", 1))),
        (
            DOTENV,
            "[\"export B\"]",
            Ok(DOTENV.replace("export B='x'\n", "")),
        ),
        (DOTENV, "C", Err("cannot change C: there is no such value")),
        ("A=1\nB=2\n", "B", Ok("A=1\n".to_owned())),
        ("A=1\nB=2", "B", Ok("A=1".to_owned())),
        ("A=1\r\nB=2\r\n", "A", Ok("B=2\r\n".to_owned())),
        ("A=1", "A", Ok(String::new())),
    ] {
        let changed = unset(text, Format::Dotenv, path);
        match expected {
            Ok(expected) => assert_eq!(changed, Ok(expected), "{path}"),
            Err(_) => assert!(changed.is_err(), "{path}"),
        }
    }
}

const INI: &str =
    "; head\n[a]\nuser = x ; beside\npass  = \"y\"\n\n# second\n[b]\n  k:1\n\n[c]\n; end\n";

#[test]
fn sets_values_in_ini() {
    let lines = |from: &str, to: &str| Ok(INI.replacen(from, to, 1));
    let first = |text: &str| Ok(format!("{text}{INI}"));
    for (path, json, expected) in [
        ("a.user", "\"new\"", lines("= x", "= new")),
        ("a.user", "\"x\"", Ok("(same)".to_owned())),
        ("a.pass", "\"a;b\"", lines("\"y\"", "`a;b`")),
        ("a.pass", "5", lines("\"y\"", "\"5\"")),
        ("a.n", "true", lines("\"y\"\n", "\"y\"\nn     = true\n")),
        (
            "a.longer key",
            "\"z\"",
            lines("\"y\"\n", "\"y\"\nlonger key = z\n"),
        ),
        (
            "a.n",
            "\"p\\nq\"",
            lines("\"y\"\n", "\"y\"\nn     = `p\nq`\n"),
        ),
        ("b.l", "2", lines("  k:1\n", "  k:1\n  l:2\n")),
        ("b[\"l=\"]", "2", lines("  k:1\n", "  k:1\n  `l=`:2\n")),
        ("c.x", "\"\"", lines("[c]\n", "[c]\nx = \n")),
        ("DEFAULT.z", "\"q\"", first("z = q\n\n")),
        ("d.z", "\"q\"", Ok(format!("{INI}\n[d]\nz = q\n"))),
        (
            "d",
            "{\"z\": 1, \"y\": \"#\"}",
            Ok(format!("{INI}\n[d]\nz = 1\ny = `#`\n")),
        ),
        ("d", "{}", Ok(format!("{INI}\n[d]\n"))),
        ("b", "{\"n\": \"m\"}", lines("  k:1\n", "n = m\n")),
        ("c", "{\"n\": \"m\"}", lines("[c]\n", "[c]\nn = m\n")),
        ("b", "{}", lines("  k:1\n", "")),
    ] {
        assert_eq!(set(INI, Format::Ini, path, json), expected, "{path} {json}");
    }
    for (path, json, why) in [
        ("d", "\"q\"", "sections of texts"),
        ("b", "1", "sections of texts"),
        ("b", "[1]", "sections of texts"),
        ("b.k", "{\"a\": 1}", "sections of texts"),
        ("b.k.l", "1", "sections of texts"),
        ("b.x.l", "1", "sections of texts"),
        ("d", "{\"a\": {}}", "sections of texts"),
        ("b.k", "null", "null"),
        ("b[\"-\"]", "1", "such a key"),
        ("b[\"#x\"]", "1", "such a key"),
        ("b[\" x\"]", "1", "such a key"),
        ("b[0]", "1", "index"),
    ] {
        let refused = set(INI, Format::Ini, path, json).expect_err(path);
        assert!(refused.contains(why), "{path}: {refused}");
    }
    assert_eq!(
        set("", Format::Ini, "a.b", "1"),
        Ok("[a]\nb = 1\n".to_owned())
    );
    assert_eq!(
        set("", Format::Ini, "DEFAULT.b", "1"),
        Ok("b = 1\n".to_owned())
    );
    assert_eq!(
        set("[a]", Format::Ini, "a.b", "1"),
        Ok("[a]\nb = 1".to_owned())
    );
    assert_eq!(
        set("[a]\r\nx=1\r\n", Format::Ini, "a.b", "1"),
        Ok("[a]\r\nx=1\r\nb=1\r\n".to_owned())
    );
    assert_eq!(
        set("[a]\nx=1", Format::Ini, "b.y", "1"),
        Ok("[a]\nx=1\n\n[b]\ny = 1\n".to_owned())
    );
}

#[test]
fn removes_values_from_ini() {
    let without = |part: &str| Ok(INI.replacen(part, "", 1));
    for (path, expected) in [
        ("a.user", without("user = x ; beside\n")),
        ("a.pass", without("pass  = \"y\"\n")),
        ("b.k", without("  k:1\n")),
        (
            "a",
            without("; head\n[a]\nuser = x ; beside\npass  = \"y\"\n\n"),
        ),
        ("b", without("# second\n[b]\n  k:1\n\n")),
        ("c", without("[c]\n")),
    ] {
        assert_eq!(unset(INI, Format::Ini, path), expected, "{path}");
    }
    for (text, path, expected) in [
        ("[a]\nx=1\n\n[b]\ny=2\n", "b", "[a]\nx=1\n"),
        ("[a]\nx=1\n\n[b]\ny=2", "b", "[a]\nx=1"),
        ("[a]\nx=1\ny=2", "a.y", "[a]\nx=1"),
        ("[a]\nx=\"\"\"1\n2\"\"\"\ny=2\n", "a.x", "[a]\ny=2\n"),
        ("[a]\nx=1 \\\n 2\ny=2\n", "a.x", "[a]\ny=2\n"),
        ("x=1\n[a]\n", "DEFAULT.x", "[a]\n"),
        ("[a]\n", "a", ""),
    ] {
        assert_eq!(
            unset(text, Format::Ini, path),
            Ok(expected.to_owned()),
            "{text:?} {path}"
        );
    }
    for path in ["z", "a.z", "DEFAULT.x", "DEFAULT"] {
        unset(INI, Format::Ini, path).expect_err(path);
    }
}

#[test]
fn gives_empty_values_of_lines_a_text_and_takes_it_away() {
    for (format, text, path, json, expected) in [
        (Format::Dotenv, "A=\nB=x\n", "A", "\"v\"", "A=v\nB=x\n"),
        (Format::Dotenv, "B=x\nA=", "A", "\"v\"", "B=x\nA=v"),
        (Format::Dotenv, "A=v\nB=x\n", "A", "\"\"", "A=\nB=x\n"),
        (
            Format::Ini,
            "[a]\nA=\nB=x\n",
            "a.A",
            "\"v\"",
            "[a]\nA=v\nB=x\n",
        ),
        (Format::Ini, "[a]\nh = \n", "a.h", "5", "[a]\nh = 5\n"),
        (
            Format::Ini,
            "[a]\r\nh = \r\n",
            "a.h",
            "5",
            "[a]\r\nh = 5\r\n",
        ),
        (Format::Ini, "[a]\nh =\n", "a.h", "5", "[a]\nh = 5\n"),
        (Format::Ini, "h =", "DEFAULT.h", "5", "h = 5"),
        (
            Format::Ini,
            "[a]\nA=;c\nB=x\n",
            "a.A",
            "\"v\"",
            "[a]\nA=v ;c\nB=x\n",
        ),
        (
            Format::Ini,
            "[a]\nA = ; c\nB=x\n",
            "a.A",
            "\"v\"",
            "[a]\nA = v ; c\nB=x\n",
        ),
        (
            Format::Ini,
            "[a]\nA = v ; c\n",
            "a.A",
            "\"\"",
            "[a]\nA =  ; c\n",
        ),
    ] {
        let changed = set(text, format, path, json);
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn adds_a_line_where_no_other_takes_it_in() {
    for (text, path, expected) in [
        ("[a]\nq = C:\\dir\\\n", "a.n", "[a]\nn = x\nq = C:\\dir\\\n"),
        ("[a]\nq = C:\\dir\\", "a.n", "[a]\nn = x\nq = C:\\dir\\"),
        (
            "[a]\np=1\n; about q\nq = C:\\dir\\\n",
            "a.n",
            "[a]\np=1\nn=x\n; about q\nq = C:\\dir\\\n",
        ),
        (
            "[a]\np=1\nq=C:\\\n\nr=D:\\\n\n[b]\ny=2\n",
            "a.n",
            "[a]\np=1\nn=x\nq=C:\\\n\nr=D:\\\n\n[b]\ny=2\n",
        ),
        (
            "q=C:\\\n\n[b]\ny=2\n",
            "DEFAULT.n",
            "n=x\nq=C:\\\n\n[b]\ny=2\n",
        ),
        ("[a]\nq=1 \\\n 2\n", "a.n", "[a]\nq=1 \\\n 2\nn=x\n"),
    ] {
        let changed = set(text, Format::Ini, path, "\"x\"");
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn removes_what_stands_before_all_sections() {
    for (text, expected) in [
        ("k=v\nx=y\n[s]\na=b\n", "[s]\na=b\n"),
        ("; one\nk=v\n; two\n[s]\na=b\n", "; two\n[s]\na=b\n"),
    ] {
        let changed = unset(text, Format::Ini, "DEFAULT");
        assert_eq!(changed, Ok(expected.to_owned()), "{text}");
    }
}
