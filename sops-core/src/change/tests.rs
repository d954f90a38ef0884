use super::*;

fn changed(text: &str, format: Format, change: &Change) -> Result<String, String> {
    let mut draft =
        Draft::new(SecretText::new(text.to_owned()), format).map_err(|error| error.to_string())?;
    match draft.apply(change) {
        Ok(true) => Ok(draft.text().to_owned()),
        Ok(false) => Ok("(same)".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn set(text: &str, format: Format, path: &str, json: &str) -> Result<String, String> {
    let path = TreePath::parse(path).unwrap();
    let json = SecretText::new(json.to_owned());
    changed(text, format, &Change::Set { path, json })
}

pub(super) fn unset(text: &str, format: Format, path: &str) -> Result<String, String> {
    let path = TreePath::parse(path).unwrap();
    changed(
        text,
        format,
        &Change::Unset {
            path,
            if_there: false,
        },
    )
}

const YAML: &str =
    "# head\na: one # beside\nb:\n  - two\n  - {k: v}\nm:\n  x: 1\n\n  y: 0x10\ne:\nl: []\n";

#[test]
fn sets_values_in_yaml() {
    let lines = |from: &str, to: &str| Ok(YAML.replace(from, to));
    for (path, json, expected) in [
        ("a", "\"zwei\"", lines("one", "zwei")),
        ("a", "\"one\"", Ok("(same)".to_owned())),
        ("a", "5", lines("one", "5")),
        ("a", "\"5\"", lines("one", "\"5\"")),
        ("a", "true", lines("one", "true")),
        ("a", "null", lines("one", "null")),
        ("a", "{}", lines("one", "{}")),
        (
            "a",
            "{\"k\": 1, \"o\": [2, {\"m\": 3}]}",
            lines(
                "a: one # beside",
                "a: # beside\n  k: 1\n  o:\n    - 2\n    - m: 3",
            ),
        ),
        (
            "a",
            "\"x\\ny\\n\"",
            lines("one # beside", "| # beside\n  x\n  y"),
        ),
        (
            "b[0]",
            "12345678901234567",
            lines("two", "12345678901234567"),
        ),
        ("b[0]", "[1, 2]", lines("- two", "- - 1\n    - 2")),
        ("b[7]", "\"last\"", lines("{k: v}\n", "{k: v}\n  - last\n")),
        (
            "b[7]",
            "{\"p\": 1, \"q\": 2}",
            lines("{k: v}\n", "{k: v}\n  - p: 1\n    q: 2\n"),
        ),
        ("b[1].k", "\"w\"", lines("k: v", "k: w")),
        ("b[1].n", "[1]", lines("k: v", "k: v, \"n\": [1]")),
        ("m.y", "16", Ok("(same)".to_owned())),
        ("m.y", "17", lines("0x10", "17")),
        ("m.z", "\"new\"", lines("0x10\n", "0x10\n  z: new\n")),
        (
            "m.z[0].w",
            "\"new\"",
            lines("0x10\n", "0x10\n  z:\n    - w: new\n"),
        ),
        ("m", "1", lines("m:\n  x: 1\n\n  y: 0x10", "m: 1")),
        ("e", "1", lines("e:", "e: 1")),
        ("e.f", "1", lines("e:", "e:\n  f: 1")),
        ("a.f", "1", lines("a: one # beside", "a: # beside\n  f: 1")),
        ("l[0]", "1", lines("l: []", "l:\n  - 1")),
        ("l", "[]", Ok("(same)".to_owned())),
        ("new", "2.5", lines("l: []\n", "l: []\nnew: 2.5\n")),
        (
            "new",
            "\"a\\nb\\n\"",
            lines("l: []\n", "l: []\nnew: |\n  a\n  b\n"),
        ),
    ] {
        assert_eq!(
            set(YAML, Format::Yaml, path, json),
            expected,
            "{path} {json}"
        );
    }
}

#[test]
fn removes_values_from_yaml() {
    let lines = |from: &str, to: &str| Ok(YAML.replace(from, to));
    for (path, expected) in [
        ("a", lines("a: one # beside\n", "")),
        ("b", lines("b:\n  - two\n  - {k: v}\n", "")),
        ("b[0]", lines("  - two\n", "")),
        ("b[1]", lines("  - {k: v}\n", "")),
        ("b[1].k", lines("{k: v}", "{}")),
        ("m.x", lines("  x: 1\n", "")),
        ("l", lines("l: []\n", "")),
        ("e", lines("e:\n", "")),
    ] {
        assert_eq!(unset(YAML, Format::Yaml, path), expected, "{path}");
    }
    for (text, path, expected) in [
        ("a: 1\n", "a", "{}\n"),
        ("a:\n  b: 1\n", "a.b", "a: {}\n"),
        ("a:\n- 1\n", "a[0]", "a: []\n"),
        ("a: 1\nb: 2", "b", "a: 1"),
        ("l:\n- a: 1\n  b: 2\n", "l[0].a", "l:\n- b: 2\n"),
        ("l:\n- - 1\n  - 2\n", "l[0][0]", "l:\n- - 2\n"),
        ("a: [1, 2, 3]\n", "a[0]", "a: [2, 3]\n"),
        ("a: [1, 2, 3]\n", "a[2]", "a: [1, 2]\n"),
        ("a: 1\r\nb: 2\r\n", "a", "b: 2\r\n"),
        ("a: |\n  x\n  y\n\nb: 2\n", "a", "\nb: 2\n"),
    ] {
        assert_eq!(
            unset(text, Format::Yaml, path),
            Ok(expected.to_owned()),
            "{text:?}"
        );
    }
}

#[test]
fn changes_other_texts() {
    for (text, path, json, expected) in [
        ("a: 1", "b", "2", "a: 1\nb: 2"),
        ("a: 1\r\n", "b.c", "2", "a: 1\r\nb:\r\n    c: 2\r\n"),
        (
            "{a: 1}\n",
            "b",
            "{\"c\": [1, 2]}",
            "{a: 1, \"b\": {\"c\": [1, 2]}}\n",
        ),
        ("a: 1\n---\nb: 2\n", "c", "3", "a: 1\nc: 3\n---\nb: 2\n"),
        ("l:\n- a: 1\n", "l[0].b", "2", "l:\n- a: 1\n  b: 2\n"),
        ("l:\n- a: 1\n", "l[1]", "2", "l:\n- a: 1\n- 2\n"),
        ("a: |+\n  x\n\n", "b", "1", "a: |+\n  x\n\nb: 1\n"),
        ("a: 1", "b", "\"x\\ny\\n\"", "a: 1\nb: |\n    x\n    y\n"),
        ("a: 1", "b", "\"x\\ny\"", "a: 1\nb: |-\n    x\n    y"),
        ("a: 1\n", "b", "1.0", "a: 1\nb: 1.0\n"),
        ("a: 1\n", "b", "0.25", "a: 1\nb: 0.25\n"),
        ("a: 'x'\n", "a", "\"it's\"", "a: 'it''s'\n"),
        ("a: b\n", "[\"x: y\"]", "\"- z\"", "a: b\n'x: y': '- z'\n"),
        ("a: b\n", "yes", "\"no\"", "a: b\n\"yes\": \"no\"\n"),
    ] {
        assert_eq!(
            set(text, Format::Yaml, path, json),
            Ok(expected.to_owned()),
            "{text:?}"
        );
    }
}

const JSON: &str =
    "{\n  \"a\": \"one\",\n  \"l\": [1, 2],\n  \"m\": {\n    \"x\": true\n  },\n  \"e\": {}\n}\n";

#[test]
fn changes_json() {
    let lines = |from: &str, to: &str| Ok(JSON.replace(from, to));
    for (path, json, expected) in [
        ("a", "\"zwei\"", lines("one", "zwei")),
        ("a", "1.5", lines("\"one\"", "1.5")),
        (
            "a",
            "{\"k\":[1]}",
            lines("\"one\"", "{\n    \"k\": [\n      1\n    ]\n  }"),
        ),
        ("l[5]", "3", lines("1, 2", "1, 2, 3")),
        ("m.y", "null", lines("true\n", "true,\n    \"y\": null\n")),
        ("e.f", "1", lines("{}", "{\n    \"f\": 1\n  }")),
        ("n", "\"\"", lines("{}\n}", "{},\n  \"n\": \"\"\n}")),
        ("l[0]", "1", Ok("(same)".to_owned())),
    ] {
        assert_eq!(
            set(JSON, Format::Json, path, json),
            expected,
            "{path} {json}"
        );
    }
    for (path, expected) in [
        ("a", lines("\"a\": \"one\",\n  ", "")),
        ("e", lines(",\n  \"e\": {}", "")),
        ("m.x", lines("{\n    \"x\": true\n  }", "{}")),
        ("l[1]", lines("1, 2", "1")),
    ] {
        assert_eq!(unset(JSON, Format::Json, path), expected, "{path}");
    }
    let one = |json| set("{\"a\":1,\"b\":2}", Format::Json, "c", json);
    assert_eq!(
        one("[1, 2]"),
        Ok("{\"a\":1,\"b\":2,\"c\": [1, 2]}".to_owned())
    );
}

#[test]
fn refuses() {
    for (text, path, json, message) in [
        ("a: 1\n", "", "1", "the whole document"),
        ("a: 1\n", "a", "", "not JSON"),
        ("a: 1\n", "a", "nope", "not JSON"),
        ("a: 1\n", "a", "1 2", "not JSON"),
        ("a: 1\n", "a", "1, \"b\": 2", "not JSON"),
        ("a: 1\n", "a", "1}", "not JSON"),
        ("a: 1\n", "a", "{\"x\": 1, \"x\": 2}", "not JSON"),
        ("a: 1\n", "[0]", "1", "an index where a mapping is"),
        ("a: [1]\n", "a.b", "1", "a key where a list is"),
        ("a: &x 1\nb: *x\n", "b", "2", "alias"),
        ("a: &x {k: 1}\nb: *x\n", "b.k", "2", "alias"),
        ("a: &x {k: 1}\nb: *x\n", "a.k", "2", "alias"),
        ("a: &x {k: 1}\nb: *x\n", "a.n", "2", "alias"),
    ] {
        let error = set(text, Format::Yaml, path, json).unwrap_err();
        assert!(error.contains(message), "{text:?} {path}: {error}");
    }
    for (text, path, message) in [
        ("a: 1\n", "b", "there is no value"),
        ("a: 1\n", "a.b", "there is no value"),
        ("a: [1]\n", "a[1]", "there is no value"),
        ("a: 1\n", "", "the whole document"),
        ("a: 1\n", "[0]", "an index where a mapping is"),
        ("a: &x 1\nb: *x\n", "b", "alias"),
    ] {
        let error = unset(text, Format::Yaml, path).unwrap_err();
        assert!(error.contains(message), "{text:?} {path}: {error}");
    }
}

#[test]
fn changes_pairs_without_braces_and_keys_without_values() {
    for (text, path, expected) in [
        (
            "on:\n  schedule: [cron: \"1 2 * * *\"]\n",
            "on.schedule[0].cron",
            "on:\n  schedule: [{}]\n",
        ),
        ("a: [b: 1, c: 2]\n", "a[0].b", "a: [{}, c: 2]\n"),
        ("a: [b: 1, c: 2]\n", "a[1].c", "a: [b: 1, {}]\n"),
        ("a: [b: 1, c: 2]\n", "a[0]", "a: [c: 2]\n"),
        ("a: [ b:  , c: 2 ]\n", "a[0].b", "a: [ {}  , c: 2 ]\n"),
        ("a: [? b : 1 , c]\n", "a[0].b", "a: [{} , c]\n"),
        ("a: [? b, c]\n", "a[0].b", "a: [{}, c]\n"),
        ("a: [b: {c: 1}]\n", "a[0].b", "a: [{}]\n"),
        ("a: [b: [c: 1]]\n", "a[0].b[0].c", "a: [b: [{}]]\n"),
        ("a: {b, c: 2}\n", "a.b", "a: {c: 2}\n"),
    ] {
        let changed = unset(text, Format::Yaml, path);
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?}");
    }
    for (text, path, json, expected) in [
        ("a: [b: 1, c: 2]\n", "a[0].b", "5", "a: [b: 5, c: 2]\n"),
        (
            "a: [b: 1, c: 2]\n",
            "a[0].n",
            "5",
            "a: [{b: 1, \"n\": 5}, c: 2]\n",
        ),
        (
            "a: [ b: 1 ]\n",
            "a[0].n",
            "[\"x\"]",
            "a: [ {b: 1, \"n\": [\"x\"]} ]\n",
        ),
        ("a: [b: ]\n", "a[0].n", "5", "a: [{b: , \"n\": 5} ]\n"),
        ("a: [b: ]\n", "a[0].b", "5", "a: [b: 5 ]\n"),
        (
            "a: [? b : 1]\n",
            "a[0].n",
            "5",
            "a: [{? b : 1, \"n\": 5}]\n",
        ),
        ("a: {b, c: 2}\n", "a.b", "\"x\"", "a: {b: \"x\", c: 2}\n"),
        (
            "a: {\"b\", c: 2}\n",
            "a.b",
            "\"x\"",
            "a: {\"b\": \"x\", c: 2}\n",
        ),
        ("a: {c: 2, b}\n", "a.b", "1", "a: {c: 2, b: 1}\n"),
        (
            "a: {c: 2, b }\n",
            "a.b.d",
            "1",
            "a: {c: 2, b: {\"d\": 1} }\n",
        ),
        ("a: {? b, c: 2}\n", "a.b", "1", "a: {? b: 1, c: 2}\n"),
        ("a: [? b, c]\n", "a[0].b", "1", "a: [? b: 1, c]\n"),
        ("a: {c: 2, b}\n", "a.d", "1", "a: {c: 2, b, \"d\": 1}\n"),
    ] {
        let changed = set(text, Format::Yaml, path, json);
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?} {path}");
    }
}

#[test]
fn changes_block_scalars_at_the_edge() {
    for (text, path, json, expected) in [
        ("a: |\nb: c\n", "a", "\"x\"", "a: x\nb: c\n"),
        ("a: |-\nb: c\n", "a", "\"x\"", "a: x\nb: c\n"),
        ("a: >\nb: c\n", "a", "\"x\"", "a: x\nb: c\n"),
        ("a: |\n\nb: c\n", "a", "\"x\"", "a: x\n\nb: c\n"),
        ("a: |", "a", "\"x\"", "a: x"),
        ("a: |\nb: c\n", "a", "5", "a: 5\nb: c\n"),
        ("a: |\nb: c\n", "a", "[5]", "a:\n    - 5\nb: c\n"),
        ("l:\n- |\n- c\n", "l[0]", "\"x\"", "l:\n- x\n- c\n"),
        ("a: | # c\nb: c\n", "a", "\"x\"", "a: x # c\nb: c\n"),
        (
            "a:\n  b: c\n\nd: e\n",
            "a.new",
            "\"x\\n\\n\"",
            "a:\n  b: c\n  new: \"x\\n\\n\"\n\nd: e\n",
        ),
        (
            "a:\n  b: c\n\nd: e\n",
            "a.new",
            "{\"p\": [\"x\\n\\n\"]}",
            "a:\n  b: c\n  new:\n    p:\n      - \"x\\n\\n\"\n\nd: e\n",
        ),
        (
            "a:\n  - c\n\nd: e\n",
            "a[1]",
            "\"x\\n\\n\"",
            "a:\n  - c\n  - \"x\\n\\n\"\n\nd: e\n",
        ),
        (
            "a:\n\nd: e\n",
            "a",
            "\"x\\n\\n\"",
            "a: \"x\\n\\n\"\n\nd: e\n",
        ),
        ("a: |\n  x", "b", "\"y\"", "a: |-\n  x\nb: \"y\""),
        ("a: >\n  x", "b", "\"y\"", "a: >-\n  x\nb: \"y\""),
        ("a: |+\n  x", "b", "\"y\"", "a: |-\n  x\nb: \"y\""),
        ("a: |-\n  x", "b", "\"y\"", "a: |-\n  x\nb: \"y\""),
        ("a:\n- |\n  x", "a[1]", "\"y\"", "a:\n- |-\n  x\n- \"y\""),
        (
            "a:\n  b:\n    - |\n      x",
            "c",
            "\"y\"",
            "a:\n  b:\n    - |-\n      x\nc: \"y\"",
        ),
        ("a: |", "b", "\"y\"", "a: |\nb: \"y\""),
        ("a: |\n  x", "b", "\"y\\n\"", "a: |-\n  x\nb: |\n    y\n"),
    ] {
        let changed = set(text, Format::Yaml, path, json);
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?} {json}");
    }
}

#[test]
fn an_empty_document_grows_into_a_block() {
    for (text, path, json, expected) in [
        ("{}\n", "a", "\"x\"", "a: x\n"),
        ("{}", "a", "\"x\"", "a: x"),
        ("# c\n{}\n# d\n", "a", "5", "# c\na: 5\n# d\n"),
        (
            "---\n{}  \n---\nb: 1\n",
            "a.b",
            "[1]",
            "---\na:\n    b:\n        - 1  \n---\nb: 1\n",
        ),
        ("{} # c\n", "a", "5", "{\"a\": 5} # c\n"),
        ("--- {}\n", "a", "5", "--- {\"a\": 5}\n"),
        ("{ }\n", "a", "5", "{\"a\": 5}\n"),
    ] {
        let changed = set(text, Format::Yaml, path, json);
        assert_eq!(changed, Ok(expected.to_owned()), "{text:?}");
    }
    let changed = set("{}\n", Format::Json, "a", "5");
    assert!(changed.is_ok_and(|changed| changed.starts_with('{')));
}

#[test]
fn removing_leaves_the_comments_of_others() {
    for (text, path, expected) in [
        (
            "steps:\n  - name: Build # tail\n    # about run\n\n    # more\n    run: x\n",
            "steps[0].name",
            "steps:\n  - # about run\n\n    # more\n    run: x\n",
        ),
        (
            "steps:\n  - name: Build\n    run: x # tail\n",
            "steps[0].name",
            "steps:\n  - run: x # tail\n",
        ),
        (
            "l:\n- - a\n  # about b\n  - b\n",
            "l[0][0]",
            "l:\n- # about b\n  - b\n",
        ),
        (
            "l: [\n  a, # one\n  # about b\n  b, # two\n  c ]\n",
            "l[1]",
            "l: [\n  a, # one\n  # about b\n  c ]\n",
        ),
        (
            "l: [\n  a, # one\n  # about b\n  b, # two\n  c ]\n",
            "l[0]",
            "l: [\n  # about b\n  b, # two\n  c ]\n",
        ),
        (
            "l: [\n  a, # one\n  b, # two\n  c ]\n",
            "l[2]",
            "l: [\n  a, # one\n  b # two\n   ]\n",
        ),
        (
            "m: {\n  a: 1, # one\n  b: 2 # two\n}\n",
            "m.b",
            "m: {\n  a: 1 # one\n}\n",
        ),
        (
            "m: {\n  a: 1, # one\n  # about b\n  b: 2 # two\n}\n",
            "m.a",
            "m: {\n  # about b\n  b: 2 # two\n}\n",
        ),
        (
            "m: { a: 1, # one\n  b: 2 }\n",
            "m.a",
            "m: {  # one\n  b: 2 }\n",
        ),
        ("l: [ # none\n  a, # one\n]\n", "l[0]", "l: [ # none\n]\n"),
        ("l: [a, b, c] # d\n", "l[1]", "l: [a, c] # d\n"),
        ("l: [\n  a,\n  b,\n]\n", "l[1]", "l: [\n  a,\n]\n"),
    ] {
        let changed = unset(text, Format::Yaml, path);
        assert_eq!(changed, Ok(expected.to_owned()), "{text}{path}");
    }
}

#[test]
fn floating_point_numbers_stay_so() {
    for (format, text, value, expected) in [
        (Format::Yaml, "a: 1\n", "5.0", "a: 1\nf: 5.0\n"),
        (Format::Yaml, "a: 1\n", "1E5", "a: 1\nf: 100000.0\n"),
        (Format::Yaml, "a: 1\n", "-0.0", "a: 1\nf: -0.0\n"),
        (
            Format::Yaml,
            "a: 1\n",
            "{\"x\": 5.0}",
            "a: 1\nf:\n    x: 5.0\n",
        ),
        (Format::Yaml, "{a: 1}\n", "5.0", "{a: 1, \"f\": 5.0}\n"),
        (Format::Yaml, "a: 1\n", "5", "a: 1\nf: 5\n"),
        (
            Format::Json,
            "{\"a\": 1}\n",
            "5.0",
            "{\"a\": 1, \"f\": 5.0}\n",
        ),
        (
            Format::Json,
            "{\"a\": 1}\n",
            "-0.0",
            "{\"a\": 1, \"f\": -0.0}\n",
        ),
    ] {
        assert_eq!(
            set(text, format, "f", value),
            Ok(expected.to_owned()),
            "{text} {value}"
        );
    }
}
