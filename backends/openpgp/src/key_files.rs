//! Exported keys: files with one key or several, armored or binary.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sequoia_openpgp::{
    Cert,
    cert::CertParser,
    parse::{PacketParser, Parse},
};
use sops_core::{
    SecretBytes, Warning,
    keys::{KeyError, one_line, warn_of_readers, words_of},
};

/// Larger files are keyrings of a whole country, or no keys at all.
const MAX_FILE: usize = 32 << 20;
/// More of what is wrong with a key helps nobody.
const MAX_WORDS: usize = 400;
/// What every piece of armor begins with.
const ARMOR: &[u8] = b"-----BEGIN PGP ";

/// The keys of some files, and what was seen on the way to them.
#[derive(Default)]
pub(crate) struct KeyFiles {
    pub(crate) certs: Vec<Cert>,
    pub(crate) problems: Vec<KeyError>,
    pub(crate) warnings: Vec<Warning>,
}

impl KeyFiles {
    /// Reads files that `named_by` names, or else ones that need not be there. One that cannot be read is no obstacle to
    /// the others.
    pub(crate) fn read(paths: &[PathBuf], named_by: Option<&str>) -> Self {
        let mut files = Self::default();
        if let Some(named_by) = named_by
            && paths.is_empty()
        {
            files.problems.push(KeyError::new(format!(
                "{named_by} is set, but names no file"
            )));
        }
        for path in paths {
            if let Err(error) = files.read_file(path) {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                if named_by.is_none() && is_missing {
                    continue;
                }
                let place = match named_by {
                    Some(named_by) => format!("{named_by} ({})", path.display()),
                    None => path.display().to_string(),
                };
                let problem = KeyError::new(format!("cannot read {place}: {error}"));
                files.problems.push(problem.with_hint(
                    "export a key: `gpg --export-secret-keys --armor FINGERPRINT > FILE`",
                ));
            }
        }
        files
    }

    fn read_file(&mut self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = SecretBytes::read_limited(&file, MAX_FILE)?;
        let (certs, problem) = parse(bytes.expose());
        if certs.iter().any(Cert::is_tsk) {
            self.warnings.extend(warn_of_readers(path, &file));
        }
        for cert in certs {
            self.add(cert);
        }
        problem.map_or(Ok(()), |problem| Err(io::Error::other(problem)))
    }

    /// Adds a key; a second copy adds to the first what that does not have.
    fn add(&mut self, cert: Cert) {
        let fingerprint = cert.fingerprint();
        let known = self
            .certs
            .iter_mut()
            .find(|known| known.fingerprint() == fingerprint);
        match known {
            Some(known) => {
                if let Ok(merged) = known.clone().merge_public_and_secret(cert) {
                    *known = merged;
                }
            }
            None => self.certs.push(cert),
        }
    }
}

/// The keys in `bytes`, which are one piece of binary data, or any number of pieces of armor with text around them; and
/// what is wrong with the rest.
fn parse(bytes: &[u8]) -> (Vec<Cert>, Option<String>) {
    let starts: Vec<usize> = find_all(bytes, ARMOR);
    let mut certs = Vec::new();
    let mut problem = None;
    let mut read_piece = |piece: &[u8]| {
        let parser = PacketParser::from_bytes(piece).map(CertParser::from);
        match parser {
            Ok(parser) => {
                for cert in parser {
                    match cert {
                        Ok(cert) => certs.push(cert),
                        Err(error) => problem = Some(error),
                    }
                }
            }
            Err(error) => problem = Some(error),
        }
    };
    if starts.is_empty() {
        read_piece(bytes);
    }
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        read_piece(&bytes[*start..end]);
    }
    let problem = match (certs.is_empty(), problem) {
        (_, Some(problem)) => Some(format!(
            "it is damaged, or holds no OpenPGP key: {}",
            said_by(&problem)
        )),
        (true, None) => Some("it holds no OpenPGP key".to_owned()),
        (false, None) => None,
    };
    (certs, problem)
}

fn find_all(bytes: &[u8], sign: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(sign.len()).enumerate();
    windows
        .filter(|(_, window)| *window == sign)
        .map(|(at, _)| at)
        .collect()
}

/// What an error of Sequoia and its causes say, which may hold what others wrote into keys.
pub(crate) fn said_by(error: &sequoia_openpgp::anyhow::Error) -> String {
    one_line(&words_of(error.as_ref()), MAX_WORDS)
}
