//! A yes or no from standard input.

use std::io::{self, BufRead, Read as _};

use crate::error::Failure;

/// No answer is longer. An input that never ends is nobody who answers.
const MAX_ANSWER: u64 = 1024;

/// Asks with `ask` until standard input says yes or no; `None` if nobody answers.
///
/// # Errors
///
/// Those of `ask`.
pub(crate) fn yes_or_no(ask: impl Fn() -> Result<(), Failure>) -> Result<Option<bool>, Failure> {
    read(&mut io::stdin().lock(), ask)
}

fn read(
    input: &mut impl BufRead,
    ask: impl Fn() -> Result<(), Failure>,
) -> Result<Option<bool>, Failure> {
    loop {
        ask()?;
        let mut answer = String::new();
        let length = input.take(MAX_ANSWER).read_line(&mut answer).unwrap_or(0) as u64;
        if length == 0 || length == MAX_ANSWER {
            return Ok(None);
        }
        // To more than this the reference does not say yes either. What means no is one.
        match answer.trim() {
            "y" => return Ok(Some(true)),
            "n" | "N" | "no" => return Ok(Some(false)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Code;

    #[test]
    fn asks_until_the_answer_is_one() {
        for (input, expected, times) in [
            (&b"y\n"[..], Some(true), 1),
            (b" y \r\n", Some(true), 1),
            (b"y", Some(true), 1),
            (b"yes\nY\nYES\ny\n", Some(true), 4),
            (b"yes\n", None, 2),
            (b"n\ny\n", Some(false), 1),
            (b"no", Some(false), 1),
            (b"what\n\nN\n", Some(false), 3),
            (b"", None, 1),
            (b"perhaps", None, 2),
            (b"\xff\ny\n", None, 1),
        ] {
            let asked = Cell::new(0);
            let answer = read(&mut { input }, || {
                asked.set(asked.get() + 1);
                Ok(())
            });
            assert_eq!(answer.expect("asking works"), expected, "{input:?}");
            assert_eq!(asked.get(), times, "{input:?}");
        }
    }

    #[test]
    fn an_input_without_end_is_no_answer() {
        let mut endless = io::BufReader::new(io::repeat(b'y'));
        assert_eq!(read(&mut endless, || Ok(())).expect("asking works"), None);
        let failed = read(&mut endless, || Err(Failure::new(Code::Generic, "closed")));
        assert_eq!(failed.expect_err("as asking").message, "closed");
    }
}
