use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, de::DeserializeOwned};

use super::*;
use crate::{
    format::json,
    tree::{Scalar, Span, Style, Text, Value, timestamp::Timestamp},
};

fn read<T: DeserializeOwned>(source: &str) -> Result<T, String> {
    let tree = json::parse(source).unwrap();
    from_first_document(source, &tree).map_err(|error| error.to_string())
}

#[derive(Debug, Deserialize, PartialEq)]
struct Config {
    db: Database,
    hosts: Vec<String>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    ports: BTreeMap<u16, (String, i8)>,
    #[serde(default)]
    name: Option<Name>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Database {
    port: u16,
    ratio: f64,
    tls: bool,
    ca: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Off,
    Level(u8),
    Pair(u8, String),
    Full { path: String },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Name(String);

fn config(mode: &str) -> Result<Config, String> {
    read(&format!(
        r#"{{"db": {{"port": 5432, "ratio": 2, "tls": true, "ca": null, "more": [1]}},
            "hosts": ["a", "\u00e9"], "ports": {{"80": ["http", -1]}}, "name": "n", "mode": {mode}}}"#
    ))
}

#[test]
fn fills_structs_enums_maps_and_tuples() {
    for (mode, expected) in [
        ("null", None),
        ("\"off\"", Some(Mode::Off)),
        ("{\"off\": null}", Some(Mode::Off)),
        ("{\"level\": 3}", Some(Mode::Level(3))),
        (
            "{\"pair\": [3, \"x\"]}",
            Some(Mode::Pair(3, "x".to_owned())),
        ),
        (
            "{\"full\": {\"path\": \"/\"}}",
            Some(Mode::Full {
                path: "/".to_owned(),
            }),
        ),
    ] {
        let expected = Config {
            db: Database {
                port: 5432,
                ratio: 2.0,
                tls: true,
                ca: None,
            },
            hosts: vec!["a".to_owned(), "é".to_owned()],
            mode: expected,
            ports: BTreeMap::from([(80, ("http".to_owned(), -1))]),
            name: Some(Name("n".to_owned())),
        };
        assert_eq!(config(mode), Ok(expected), "{mode}");
    }
}

#[test]
fn errors_name_the_path_and_not_the_value() {
    for (mode, message) in [
        (
            "\"hunter2\"",
            "mode: expected one of: off, level, pair, full",
        ),
        ("7", "mode: expected the name of a variant, as a string"),
        (
            "[]",
            "mode: expected the name of a variant, or a map with that name as its only key",
        ),
        (
            "{}",
            "mode: expected one entry only, named after the variant",
        ),
        ("{\"off\": 1}", "mode.off: expected unit, found an integer"),
        (
            "{\"level\": \"hunter2\"}",
            "mode.level: expected an integer (u8), found a string",
        ),
        (
            "{\"level\": 777}",
            "mode.level: expected an integer (u8), and the value does not fit",
        ),
        (
            "{\"pair\": [3, 777]}",
            "mode.pair[1]: expected a string, found an integer",
        ),
        ("{\"full\": {}}", "mode.full: missing key \"path\""),
    ] {
        assert_eq!(config(mode).unwrap_err(), message, "{mode}");
    }
    let error = read::<Config>(r#"{"db": {"port": "x"}}"#).unwrap_err();
    assert_eq!(error, "db.port: expected an integer (u16), found a string");
    let error = read::<BTreeMap<u16, u8>>(r#"{"a.b": 1}"#).unwrap_err();
    assert_eq!(
        error,
        r#"["a.b"]: expected an integer (u16), found a string"#
    );
    let error = read::<u8>("{}").unwrap_err();
    assert_eq!(error, "expected an integer (u8), found a map");
    let error = read::<BTreeMap<String, (u8, u8)>>(r#"{"a": [1, 2, 3]}"#).unwrap_err();
    assert_eq!(error, "a: more items than expected");
}

#[test]
fn types_cannot_leak_a_value_through_their_messages() {
    #[derive(Debug)]
    struct Leaking;
    impl<'de> Deserialize<'de> for Leaking {
        fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(de::Error::custom(format!("bad value {text:?}")))
        }
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        #[expect(dead_code)]
        Number(u8),
    }
    let error = read::<BTreeMap<String, Leaking>>(r#"{"a": "hunter2"}"#).unwrap_err();
    assert_eq!(error, "a: the value is not one that its type accepts");
    let error = read::<BTreeMap<String, Untagged>>(r#"{"a": "hunter2"}"#).unwrap_err();
    assert_eq!(
        error,
        "a: data did not match any variant of untagged enum Untagged"
    );
}

#[test]
fn text_is_borrowed() {
    let source = r#"{"a": "plain", "b": "\u00e9"}"#;
    let tree = json::parse(source).unwrap();
    let map: BTreeMap<&str, &str> = from_tree(source, &tree, NodeId(0)).unwrap();
    assert_eq!(map, BTreeMap::from([("a", "plain"), ("b", "é")]));
    let map: BTreeMap<&str, &[u8]> = from_tree(source, &tree, NodeId(1)).unwrap();
    assert_eq!(map["b"], "é".as_bytes());
}

#[test]
fn depth_is_limited() {
    #[derive(Debug, Deserialize)]
    struct Nested {
        a: Option<Box<Self>>,
    }
    let nested = |depth: usize| format!("{}{{}}{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
    let mut read_depth = 0;
    let mut next = read::<Nested>(&nested(127)).unwrap().a;
    while let Some(inner) = next {
        read_depth += 1;
        next = inner.a;
    }
    assert_eq!(read_depth, 127);
    let error = read::<Nested>(&nested(128)).unwrap_err();
    assert!(
        error.ends_with("a: more than 128 values inside each other"),
        "{error}"
    );
    // What nobody asks for may be deeper.
    #[derive(Debug, Deserialize)]
    struct Other {}
    assert!(read::<Other>(&nested(1000)).is_ok());
}

/// Builds trees that JSON cannot: with aliases, comments, merge keys.
struct Builder {
    source: String,
    tree: Tree,
}

impl Builder {
    fn new() -> Self {
        let mut tree = Tree::default();
        tree.push(NodeKind::Document, Span::new(0, 0), 0);
        Self {
            source: String::new(),
            tree,
        }
    }

    fn push(&mut self, kind: impl FnOnce(Span) -> NodeKind, text: &str) -> NodeId {
        let start = self.source.len();
        self.source.push_str(text);
        let span = Span::new(start, self.source.len());
        self.tree.push(kind(span), span, span.start)
    }

    fn map(&mut self, fill: impl FnOnce(&mut Self)) -> NodeId {
        let id = self.push(|_| NodeKind::Map { flow: false }, "");
        fill(self);
        self.tree.close(id, 0);
        id
    }

    fn list(&mut self, fill: impl FnOnce(&mut Self)) -> NodeId {
        let id = self.push(|_| NodeKind::Sequence, "");
        fill(self);
        self.tree.close(id, 0);
        id
    }

    fn key(&mut self, name: &str) -> &mut Self {
        let kind = |span| NodeKind::Key {
            text: Text::Source(span),
            alias: false,
        };
        self.push(kind, name);
        self
    }

    fn alias(&mut self, target: NodeId) {
        self.push(|_| NodeKind::Alias { target }, "*a");
    }

    fn scalar(&mut self, value: Value) {
        let kind = |_| {
            NodeKind::Scalar(Scalar {
                value,
                style: Style::Plain,
                flow: false,
                converting_tag: false,
            })
        };
        self.push(kind, "");
    }

    fn read<T: DeserializeOwned>(mut self) -> Result<T, String> {
        self.tree.close(NodeId(0), 0);
        from_first_document(&self.source, &self.tree).map_err(|error| error.to_string())
    }
}

#[test]
fn merge_keys_are_merged_and_explicit_keys_win() {
    type Map = BTreeMap<String, BTreeMap<String, i64>>;
    let mut builder = Builder::new();
    builder.map(|b| {
        let one = b.key("one").map(|b| {
            b.key("a").scalar(Value::Int(1));
            b.key("b").scalar(Value::Int(1));
        });
        let two = b.key("two").map(|b| {
            b.key("<<").alias(one);
            b.key("b").scalar(Value::Int(2));
            b.key("c").scalar(Value::Int(2));
        });
        b.key("three").map(|b| {
            b.key("<<").list(|b| {
                b.alias(two);
                b.push(|_| NodeKind::Comment, " c");
                b.map(|b| {
                    b.key("c").scalar(Value::Int(3));
                    b.key("d").scalar(Value::Int(3));
                });
            });
            b.key("a").scalar(Value::Int(0));
        });
    });
    let map: Map = builder.read().unwrap();
    let expect = |entries: &[(&str, i64)]| {
        entries
            .iter()
            .map(|&(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(map["two"], expect(&[("a", 1), ("b", 2), ("c", 2)]));
    assert_eq!(
        map["three"],
        expect(&[("a", 0), ("b", 2), ("c", 2), ("d", 3)])
    );

    let mut builder = Builder::new();
    builder.map(|b| {
        b.key("x").map(|b| b.key("<<").scalar(Value::Int(1)));
    });
    let error = builder.read::<Map>().unwrap_err();
    assert_eq!(error, r#"x["<<"]: expected a map to merge"#);
    // In quotes it is a key like any other; so in JSON.
    let map: Map = read(r#"{"x": {"<<": 1}}"#).unwrap();
    assert_eq!(map["x"]["<<"], 1);
}

#[test]
fn alias_bombs_are_refused() {
    let mut builder = Builder::new();
    builder.map(|b| {
        let mut last = b.key("l0").list(|b| b.scalar(Value::Null));
        for level in 1..12 {
            last = b.key(&format!("l{level}")).list(|b| {
                for _ in 0..10 {
                    b.alias(last);
                }
            });
        }
    });
    #[derive(Debug)]
    struct Anything;
    impl<'de> Deserialize<'de> for Anything {
        fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Walk;
            impl<'de> Visitor<'de> for Walk {
                type Value = Anything;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("anything")
                }
                fn visit_unit<E>(self) -> Result<Anything, E> {
                    Ok(Anything)
                }
                fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Anything, A::Error> {
                    while items.next_element::<Anything>()?.is_some() {}
                    Ok(Anything)
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
                    while map.next_entry::<String, Anything>()?.is_some() {}
                    Ok(Anything)
                }
            }
            deserializer.deserialize_any(Walk)
        }
    }
    let error = builder.read::<Anything>().unwrap_err();
    assert!(
        error.ends_with(": aliases stand for too many values"),
        "{error}"
    );
}

#[test]
fn times_are_texts_and_documents_may_be_empty() {
    let mut builder = Builder::new();
    builder.list(|b| {
        b.scalar(Value::Time(Timestamp {
            seconds: 0,
            nanoseconds: 0,
            offset_minutes: 0,
        }));
        b.scalar(Value::Str(Text::Owned(Box::new([0xff]))));
    });
    let (time, bytes): (String, Vec<u8>) = {
        #[derive(Deserialize)]
        struct Both(String, #[serde(deserialize_with = "bytes")] Vec<u8>);
        fn bytes<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
            struct Bytes;
            impl Visitor<'_> for Bytes {
                type Value = Vec<u8>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                    Ok(bytes.to_vec())
                }
            }
            deserializer.deserialize_bytes(Bytes)
        }
        let Both(time, bytes) = builder.read().unwrap();
        (time, bytes)
    };
    assert_eq!((&*time, &*bytes), ("1970-01-01T00:00:00Z", &[0xff][..]));
    assert_eq!(Builder::new().read::<Option<u8>>(), Ok(None));
    let mut builder = Builder::new();
    builder.list(|b| b.scalar(Value::Str(Text::Owned(Box::new([0xff])))));
    let error = builder.read::<Vec<String>>().unwrap_err();
    assert_eq!(
        error,
        "[0]: expected a string, found bytes that are not UTF-8"
    );
}
