//! Regular expressions as Go's `regexp` has them, on the `regex` crate.
//!
//! Selectors and `path_regex` are written for Go's RE2 syntax. The `regex` crate descends from RE2 too, but differs in
//! ways that would encrypt another set of leaves. So a pattern is read by the rules of Go's `regexp/syntax`, every piece
//! of it is written again in a form that means the same to the crate, and what neither can say is refused. Whatever Go
//! refuses is refused; nothing is ever read as "matches nothing".
//!
//! What differs, and what becomes of it (`G`: Go, `R`: the `regex` crate):
//!
//! | construct | difference | here |
//! | --- | --- | --- |
//! | `\d` `\w` `\s` and their negations | G: ASCII; R: Unicode; `\s` in G lacks `\v` | ASCII ranges |
//! | `\b` `\B` | G: ASCII; R: Unicode | ASCII |
//! | `\b{start}` `\b{2}` | R: start of a word | `\b` and a literal `{start}`; `\b` repeated |
//! | `\<` `\>` | R: start and end of a word | literal `<` and `>` |
//! | `\Q…\E` | R: refused | literal text |
//! | `\z` `\A` `$` `^` | same (`$` without `m` is the very end); `\Z` refused by both | same |
//! | `\123` `\0` | R: refused | the character with that octal number |
//! | `\1` to `\9` | backreference | refused |
//! | `\xFF` `\x{10FFFF}` | same; R has `\u` and `\U` too | same; `\u`, `\U` refused |
//! | `\h` `\R` `\X` `\K` `\G` `\N` `\C` | refused by both | refused |
//! | escaped punctuation, `\_`, escaped blank | G: any ASCII; R: most | the character |
//! | `{` `{,n}` `{01}` `{x}` | G: literal, unless it is `{n}`, `{n,}` or `{n,m}`; R: refused, and `{,n}` counts | literal |
//! | `{1001}`, `(x{50}){50}` | G: more than 1000 is refused, also when nested | refused |
//! | `x**` `x+*` `x{2}{3}` `x*??` | G: refused; R: fine | refused |
//! | `[a&&b]` `[a--b]` `[a~~b]` | R: set operations | literal `&`, `-`, `~` (or the range that they form) |
//! | `[[a]b]` | R: nested class | a class of `[` and `a`, then `b]` |
//! | `[a-\d]` | range to a class | refused |
//! | `[[:word:]]` `[[:^alpha:]]` | same | ASCII ranges |
//! | `\pN` `\p{Greek}` `\p{^Greek}` | R: no `^`; takes many more names: short scripts, `\p{Emoji}`, `\p{sc=…}` | the names of Go |
//! | `(?P<n>…)` `(?<n>…)` | same, but G allows a name twice and digits first | plain groups |
//! | `(?i)` `(?m)` `(?s)` `(?U)` | same; G: lasts to the end of the group, over `\|` | written out for each piece |
//! | `(?x)` `(?u)` `(?R)` | R only | refused |
//! | `(?=…)` `(?!…)` `(?<=…)` `(?>…)` `(?#…)` | in neither | refused |
//! | `(?)` | R: refused | no effect |
//! | bytes that are not UTF-8 | G: each is like U+FFFD | same |
//!
//! Both fold case by Unicode's simple folding (`(?i)k` matches the Kelvin sign). Where Unicode itself moves on, a class
//! like `\p{Lu}` may cover letters here that an older Go does not know. Nesting beyond 200 levels and expressions that
//! compile to more than 32 MiB are refused, where Go's limits are wider.
//!
//! `testdata/regex/go-re2.tsv` holds patterns and inputs with the answers of Go 1.26.

mod characters;
mod class;
mod count;
mod translate;
mod unicode_names;

use std::fmt;

use regex::RegexBuilder;

/// Compiles a regular expression of Go's syntax.
///
/// # Errors
///
/// Fails on all that Go refuses, and on what is too large.
pub(crate) fn compile(pattern: &str) -> Result<Regex, RegexError> {
    let translated = translate::translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map(Regex)
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                RegexError::new(1, "the regular expression is too large when compiled")
            }
            _ => RegexError::new(1, "the regular expression is nested too deeply"),
        })
}

const SIZE_LIMIT: usize = 32 << 20;

/// The crate counts each concatenation, alternation and class; a level of a pattern takes fewer than five of them.
const NEST_LIMIT: u32 = 1000;

/// A compiled regular expression; matches anywhere in the input.
#[derive(Clone, Debug)]
pub(crate) struct Regex(regex::Regex);

impl Regex {
    /// Returns whether the expression matches somewhere in `input`.
    pub(crate) fn is_match(&self, input: &[u8]) -> bool {
        match std::str::from_utf8(input) {
            Ok(text) => self.0.is_match(text),
            Err(_) => self.0.is_match(&replace_invalid(input)),
        }
    }
}

/// Replaces every single byte that is no UTF-8 by U+FFFD.
fn replace_invalid(input: &[u8]) -> String {
    let mut text = String::with_capacity(input.len() + 16);
    for chunk in input.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// A regular expression that is not one of Go's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegexError {
    /// Where it stops being one: the character in the pattern, counted from 1.
    pub column: usize,
    /// What is wrong, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl RegexError {
    fn new(column: usize, message: impl Into<String>) -> Self {
        Self {
            column,
            message: message.into(),
            hint: None,
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (character {} of the regular expression)",
            self.message, self.column
        )
    }
}

impl std::error::Error for RegexError {}

#[cfg(test)]
mod tests;
