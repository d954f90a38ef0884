//! The values of a file as environment variables.

use std::collections::HashMap;

use crate::{
    error::Error,
    format::text_value,
    plaintext::Plaintext,
    secret::SecretBytes,
    suggest::closest,
    tree::{NodeId, NodeKind, ValueRef},
};

/// More variables than any system passes on; aliases of aliases would give any number.
const LIMIT: usize = 100_000;

/// How many names a message lists.
const MOST_NAMES: usize = 5;

/// Which values of a file become environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableOptions {
    /// Whether values inside of maps and lists get names of the keys on the way to them, joined by `_`. Otherwise a map
    /// or list is an error.
    pub flatten: bool,
    /// The names that are wanted; none: all of them.
    pub only: Vec<String>,
}

/// A name and a value for the environment of a process.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variable {
    /// The name: not empty, and without `=`.
    pub name: String,
    /// The value: without a zero byte.
    pub value: SecretBytes,
}

/// Why a file does not give environment variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableError {
    /// A map or list is no value for the environment.
    #[error("cannot use complex value in environment; offending key {path}")]
    Nested {
        /// Its path.
        path: String,
    },
    /// A map or list was named where its values have names of their own.
    #[error("{path} is a map or list, and has no variable of its own; {}", listed(.names))]
    Flattened {
        /// Its path.
        path: String,
        /// The first of the names of its values.
        names: Vec<String>,
    },
    /// A name with `=` would be another name.
    #[error("cannot use keys with '=' in environment: {path}")]
    EqualsSign {
        /// The path of the value.
        path: String,
    },
    /// A name or value with a zero byte ends there.
    #[error("cannot use zero bytes in environment; offending key {path}")]
    ZeroByte {
        /// The path of the value.
        path: String,
    },
    /// There is no variable without a name.
    #[error("cannot use an empty key in environment")]
    NoName,
    /// Two values would have the same name.
    #[error("two values have the name {name} in environment; the second is {path}")]
    Twice {
        /// The name.
        name: String,
        /// The path of the second.
        path: String,
    },
    /// A name that is wanted is not there.
    #[error("there is no value for the variable {name}{}", .similar.as_ref().map_or(String::new(), |similar| format!("; did you mean {similar}?")))]
    Missing {
        /// The name.
        name: String,
        /// A name that is there.
        similar: Option<String>,
    },
    /// There are more than fit into an environment.
    #[error("more than {LIMIT} values for the environment")]
    TooMany,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "it has no values".to_owned(),
        names if names.len() == MOST_NAMES => {
            format!(
                "the variables of its values begin with {}",
                names.join(", ")
            )
        }
        names => format!("the variables of its values are {}", names.join(", ")),
    }
}

impl Plaintext {
    /// Returns the values of the first document as environment variables, those of a map before those of the maps
    /// inside of it. Texts are taken as they are; other values as the reference writes them: `true`, `1.0`, `2024-05-01T00:00:00Z`.
    ///
    /// # Errors
    /// [`Error::Variable`] for a map or list, unless `flatten` is set; for what cannot be a name or a value; for two
    /// values of one name; for a name in `only` that is not there.
    pub fn variables(&self, options: &VariableOptions) -> Result<Vec<Variable>, Error> {
        let collected = Collector {
            plain: self,
            options,
            variables: Vec::new(),
            places: HashMap::new(),
            others: Vec::new(),
            nested: Vec::new(),
        };
        Ok(collected.run()?)
    }
}

struct Collector<'p> {
    plain: &'p Plaintext,
    options: &'p VariableOptions,
    variables: Vec<Variable>,
    /// The names so far, each with whether a merge key brought it.
    places: HashMap<String, bool>,
    /// Names that are there, but not wanted.
    others: Vec<String>,
    /// Names of maps and lists, which exist but are no values.
    nested: Vec<(String, NodeId)>,
}

/// A map or list whose values are to be collected.
struct Container {
    node: NodeId,
    /// What stands before the names of its values.
    prefix: String,
    is_merged: bool,
}

impl Collector<'_> {
    fn run(mut self) -> Result<Vec<Variable>, VariableError> {
        let tree = self.plain.tree();
        let root = tree.documents().next().and_then(|first| tree.root(first));
        let mut waiting: Vec<Container> = root
            .map(|node| Container {
                node: tree.resolve(node),
                prefix: String::new(),
                is_merged: false,
            })
            .into_iter()
            .collect();
        let mut visited = 0;
        while let Some(container) = waiting.pop() {
            let mut inside = Vec::new();
            for (name, child, is_merge) in self.children(&container) {
                visited += 1;
                if visited > LIMIT {
                    return Err(VariableError::TooMany);
                }
                let node = tree.resolve(child);
                let NodeKind::Scalar(scalar) = &tree[node].kind else {
                    inside.push(Container {
                        node,
                        prefix: if is_merge {
                            container.prefix.clone()
                        } else {
                            name.clone() + "_"
                        },
                        is_merged: container.is_merged || is_merge,
                    });
                    self.nested.push((name, child));
                    continue;
                };
                if self.is_wanted(&name) {
                    let value = scalar.value.view(self.plain.text());
                    self.add(name, child, value, container.is_merged)?;
                } else {
                    self.others.push(name);
                }
            }
            if self.options.flatten {
                // Popped in the order of the file.
                waiting.extend(inside.into_iter().rev());
            } else {
                self.refuse_nested()?;
            }
        }
        self.find_missing()?;
        Ok(self.variables)
    }

    /// The values of a map or list with their names, and whether each is merged into the map by `<<`.
    fn children(&self, container: &Container) -> Vec<(String, NodeId, bool)> {
        let tree = self.plain.tree();
        let prefix = &container.prefix;
        match tree[container.node].kind {
            NodeKind::Map { .. } => tree
                .entries(container.node)
                .map(|(key, value)| {
                    let key = tree.key_name(self.plain.text(), key);
                    let is_merge = key == "<<"
                        && self.options.flatten
                        && matches!(tree[tree.resolve(value)].kind, NodeKind::Map { .. });
                    (format!("{prefix}{key}"), value, is_merge)
                })
                .collect(),
            NodeKind::Sequence => tree
                .items(container.node)
                .enumerate()
                .map(|(index, item)| (format!("{prefix}{index}"), item, false))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.options.only.is_empty() || self.options.only.iter().any(|only| only == name)
    }

    fn add(
        &mut self,
        name: String,
        node: NodeId,
        value: ValueRef<'_>,
        is_merged: bool,
    ) -> Result<(), VariableError> {
        let path = || self.path(node);
        if name.is_empty() {
            return Err(VariableError::NoName);
        }
        if name.contains('=') {
            return Err(VariableError::EqualsSign { path: path() });
        }
        let value = SecretBytes::new(match value {
            ValueRef::Str(bytes) => bytes.to_vec(),
            value => text_value::text(value).as_bytes().to_vec(),
        });
        if name.contains('\0') || value.expose().contains(&0) {
            return Err(VariableError::ZeroByte { path: path() });
        }
        match self.places.get(&name) {
            // What a map has itself counts, not what is merged into it.
            Some(_) if is_merged => return Ok(()),
            Some(true) => self.variables.retain(|variable| variable.name != name),
            Some(false) => {
                let path = path();
                return Err(VariableError::Twice { name, path });
            }
            None => {}
        }
        self.places.insert(name.clone(), is_merged);
        self.variables.push(Variable { name, value });
        Ok(())
    }

    fn refuse_nested(&self) -> Result<(), VariableError> {
        match self.nested.iter().find(|(name, _)| self.is_wanted(name)) {
            Some((_, node)) => Err(VariableError::Nested {
                path: self.path(*node),
            }),
            None => Ok(()),
        }
    }

    fn find_missing(&self) -> Result<(), VariableError> {
        for name in &self.options.only {
            if self.places.contains_key(name) {
                continue;
            }
            if let Some((_, node)) = self.nested.iter().find(|(nested, _)| nested == name) {
                let path = self.path(*node);
                return Err(match self.options.flatten {
                    true => VariableError::Flattened {
                        path,
                        names: self.names_below(name),
                    },
                    false => VariableError::Nested { path },
                });
            }
            let similar = closest(name, self.others.iter().map(String::as_str));
            return Err(VariableError::Missing {
                name: name.clone(),
                similar: similar.map(str::to_owned),
            });
        }
        Ok(())
    }

    /// The first names of values in a map or list.
    fn names_below(&self, name: &str) -> Vec<String> {
        let names = self.others.iter().filter(|other| {
            let rest = other.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('_'))
        });
        names.take(MOST_NAMES).cloned().collect()
    }

    fn path(&self, node: NodeId) -> String {
        self.plain
            .tree()
            .path_of(self.plain.text(), node)
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::select::Selector,
        format::{Format, ParseOptions},
        secret::SecretText,
    };

    fn variables(text: &str, flatten: bool, only: &[&str]) -> Result<Vec<String>, String> {
        let tree = Format::Yaml
            .parse(text, ParseOptions::default())
            .expect("the text is YAML");
        let secret = SecretText::new(text.to_owned());
        let plain = Plaintext::new(secret, tree, Format::Yaml, Selector::default(), Vec::new());
        let options = VariableOptions {
            flatten,
            only: only.iter().map(|&name| name.to_owned()).collect(),
        };
        let shown = |variable: &Variable| {
            let value = String::from_utf8_lossy(variable.value.expose()).into_owned();
            format!("{}={value}", variable.name)
        };
        plain
            .variables(&options)
            .map(|variables| variables.iter().map(shown).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_written_as_the_reference_writes_them() {
        let text = "a: text\nb: 1.0\nc: True\nd: 0x10\ne: 2024-05-01\nf: ''\ng: ~\n# h: no\n";
        let expected = [
            "a=text",
            "b=1.0",
            "c=true",
            "d=16",
            "e=2024-05-01T00:00:00Z",
            "f=",
            "g=<nil>",
        ];
        assert_eq!(variables(text, false, &[]).unwrap(), expected);
        assert_eq!(
            variables(text, false, &["f", "a"]).unwrap(),
            ["a=text", "f="]
        );
        assert!(variables("{}", false, &[]).unwrap().is_empty());
        assert_eq!(variables("a: b\n---\nc: d\n", false, &[]).unwrap(), ["a=b"]);
    }

    #[test]
    fn what_is_nested_gets_the_names_of_the_keys_before_it() {
        let text = "a: {b: 1, c: [x, {d: y}]}\ne: f\n";
        let expected = ["e=f", "a_b=1", "a_c_0=x", "a_c_1_d=y"];
        assert_eq!(variables(text, true, &[]).unwrap(), expected);
        assert_eq!(variables(text, true, &["a_c_0"]).unwrap(), ["a_c_0=x"]);
        // What is not wanted may be nested.
        assert_eq!(variables(text, false, &["e"]).unwrap(), ["e=f"]);
    }

    #[test]
    fn a_map_has_what_is_merged_into_it_unless_it_has_that_itself() {
        let text = "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\n";
        let expected = ["a_x=1", "a_y=2", "b_y=3", "b_x=1"];
        assert_eq!(variables(text, true, &[]).unwrap(), expected);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, flatten, only, message) in [
            (
                "a: {b: 1}",
                false,
                [].as_slice(),
                "complex value in environment; offending key a",
            ),
            (
                "a: []",
                false,
                &["a"],
                "complex value in environment; offending key a",
            ),
            (
                "a: {b: 1, c: [2, 3]}\na2: 1",
                true,
                &["a"],
                "a is a map or list, and has no variable of its own; the variables of its values are a_b, a_c_0, a_c_1",
            ),
            ("a: []", true, &["a"], "it has no values"),
            (
                "a: [1, 2, 3, 4, 5, 6]",
                true,
                &["a"],
                "begin with a_0, a_1, a_2, a_3, a_4",
            ),
            ("a=b: c", false, &[], "keys with '='"),
            ("a: \"\\0\"", false, &[], "zero bytes"),
            ("\"\\0\": a", false, &[], "zero bytes"),
            ("'': a", false, &[], "empty key"),
            (
                "a_b: 1\na: {b: 2}",
                true,
                &[],
                "two values have the name a_b in environment; the second is a.b",
            ),
            (
                "user: a",
                false,
                &["usr"],
                "no value for the variable usr; did you mean user?",
            ),
            (
                "user: a",
                false,
                &["password"],
                "no value for the variable password",
            ),
        ] {
            let error = variables(text, flatten, only).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn aliases_of_aliases_have_an_end() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let error = variables(&text, true, &[]).expect_err("10^12 values");
        assert!(error.contains("more than 100000"), "{error}");
    }
}
