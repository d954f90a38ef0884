//! The way through a proxy that speaks version 5 of SOCKS.

use std::{io, net::SocketAddr};

use sops_http::SocksLogin;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const NAME_AND_PASSWORD: u8 = 2;

/// Where the proxy is to connect to.
pub(crate) enum Destination<'a> {
    Address(SocketAddr),
    /// A name that the proxy looks up, and a port.
    Name(&'a str, u16),
}

/// Tells the proxy at the other end of `stream` where to connect to. What is sent afterwards goes there.
///
/// # Errors
///
/// Fails if the proxy does not let us in, cannot connect, or does not speak SOCKS.
pub(crate) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    destination: &Destination<'_>,
    login: Option<&SocksLogin>,
) -> io::Result<()> {
    let greeting: &[u8] = match login {
        None => &[VERSION, 1, NO_LOGIN],
        Some(_) => &[VERSION, 2, NO_LOGIN, NAME_AND_PASSWORD],
    };
    stream.write_all(greeting).await?;
    match (read(stream).await?, login) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, NAME_AND_PASSWORD], Some(login)) => log_in(stream, login).await?,
        ([VERSION, _], None) => {
            return Err(io::Error::other("the proxy wants a user and a password"));
        }
        ([VERSION, _], Some(_)) => return Err(io::Error::other("the proxy takes no password")),
        _ => return Err(io::Error::other("the proxy is none of SOCKS 5")),
    }
    stream.write_all(&request(destination)?).await?;
    match read(stream).await? {
        [VERSION, 0, _, kind] => skip_address(stream, kind).await,
        [VERSION, reason, ..] => {
            let reason = in_words(reason);
            Err(io::Error::other(format!(
                "the proxy did not connect: {reason}"
            )))
        }
        _ => Err(io::Error::other("the proxy is none of SOCKS 5")),
    }
}

async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: &SocksLogin,
) -> io::Result<()> {
    let mut message = Zeroizing::new(Vec::with_capacity(2 * 256 + 1));
    message.push(1);
    for part in [login.user.as_str(), login.password.as_str()] {
        let too_long = |_| io::Error::other("the user or the password for the proxy is too long");
        message.push(u8::try_from(part.len()).map_err(too_long)?);
        message.extend_from_slice(part.as_bytes());
    }
    stream.write_all(&message).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [..] => Err(io::Error::other(
            "the proxy does not take the user and the password",
        )),
    }
}

/// The request to connect.
fn request(destination: &Destination<'_>) -> io::Result<Vec<u8>> {
    let mut request = vec![VERSION, 1, 0];
    let port = match destination {
        Destination::Address(SocketAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Destination::Address(SocketAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Destination::Name(name, port) => {
            let too_long = |_| io::Error::other("the name of the host is too long");
            request.extend_from_slice(&[3, u8::try_from(name.len()).map_err(too_long)?]);
            request.extend_from_slice(name.as_bytes());
            *port
        }
    };
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

/// Reads past the address that the proxy itself connects from, and its port.
async fn skip_address(stream: &mut (impl AsyncRead + Unpin), kind: u8) -> io::Result<()> {
    let length = match kind {
        1 => 4,
        3 => usize::from(stream.read_u8().await?),
        4 => 16,
        _ => return Err(io::Error::other("the proxy is none of SOCKS 5")),
    };
    stream.read_exact(&mut vec![0; length + 2]).await.map(drop)
}

async fn read<const LENGTH: usize>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn in_words(reason: u8) -> String {
    match reason {
        2 => "it is not allowed".to_owned(),
        3 => "the network cannot be reached".to_owned(),
        4 => "there is no such host, or it cannot be reached".to_owned(),
        5 => "nothing listens there (connection refused)".to_owned(),
        6 => "it took too long".to_owned(),
        other => format!("reason {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Destination<'static> = Destination::Name("a.example", 443);

    /// What is sent to a proxy that says `answers`, and what comes of it.
    fn said(
        answers: &'static [u8],
        destination: &'static Destination<'static>,
        login: Option<(&str, &str)>,
    ) -> (Vec<u8>, Result<(), String>) {
        let login = login.map(|(user, password)| SocksLogin {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        });
        sops_runtime::run(async move {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            theirs.write_all(answers).await.expect("room");
            // The end is reached where they say no more.
            theirs.shutdown().await.expect("open");
            let outcome = connect(&mut ours, destination, login.as_ref()).await;
            drop(ours);
            let mut sent = Vec::new();
            theirs.read_to_end(&mut sent).await.expect("readable");
            (sent, outcome.map_err(|error| error.to_string()))
        })
        .expect("it ends")
    }

    #[test]
    fn names_and_addresses() {
        const ANSWERS: &[u8] = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50";
        let (sent, outcome) = said(ANSWERS, &NAME, None);
        assert_eq!(outcome, Ok(()));
        assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x03\x09a.example\x01\xbb");
        let address: SocketAddr = "192.0.2.1:8443".parse().expect("an address");
        let sent = request(&Destination::Address(address)).expect("short");
        assert_eq!(sent, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x20\xfb");
        let address: SocketAddr = "[2001:db8::1]:443".parse().expect("an address");
        let sent = request(&Destination::Address(address)).expect("short");
        assert_eq!(sent.len(), 3 + 1 + 16 + 2);
        let long = "a".repeat(256);
        assert!(request(&Destination::Name(&long, 443)).is_err());
        // The address that the proxy connects from may be a name, or one of IPv6.
        for answers in [
            &b"\x05\x00\x05\x00\x00\x03\x01a\x00\x50"[..],
            b"\x05\x00\x05\x00\x00\x04................\x00\x50",
        ] {
            assert_eq!(said(answers, &NAME, None).1, Ok(()));
        }
    }

    #[test]
    fn logins() {
        const ANSWERS: &[u8] = b"\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50";
        let (sent, outcome) = said(ANSWERS, &NAME, Some(("me", "word")));
        assert_eq!(outcome, Ok(()));
        assert!(sent.starts_with(b"\x05\x02\x00\x02\x01\x02me\x04word\x05\x01\x00"));
        // One that wants none is told none.
        let (sent, outcome) = said(&ANSWERS[4..], &NAME, Some(("me", "word")));
        assert!(outcome.is_err() && !sent.windows(4).any(|part| part == b"word"));
        let long = "a".repeat(256);
        assert!(said(ANSWERS, &NAME, Some(("me", &long))).1.is_err());
    }

    #[test]
    fn refusals_and_nonsense() {
        for (answers, login, words) in [
            (&b""[..], None, "early eof"),
            (b"\x05", None, "early eof"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", None, "none of SOCKS 5"),
            (b"\x04\x00", None, "none of SOCKS 5"),
            (b"\x05\xff", None, "wants a user"),
            (b"\x05\x02", None, "wants a user"),
            (b"\x05\xff", Some(("me", "word")), "takes no password"),
            (
                b"\x05\x02\x01\x01",
                Some(("me", "word")),
                "does not take the user",
            ),
            (b"\x05\x00\x05\x05\x00\x01", None, "connection refused"),
            (b"\x05\x00\x05\x02\x00\x01", None, "not allowed"),
            (b"\x05\x00\x05\x63\x00\x01", None, "reason 99"),
            (b"\x05\x00\x05\x00\x00\x09", None, "none of SOCKS 5"),
            (b"\x05\x00\x05\x00\x00\x03\xff", None, "early eof"),
        ] {
            let (_, outcome) = said(answers, &NAME, login);
            let error = outcome.expect_err(words);
            assert!(error.contains(words), "{words}: {error}");
            assert!(!error.contains("word\u{0}") && !error.contains("\"word\""));
        }
    }
}
