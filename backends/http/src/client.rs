//! Calls, bounded in every way.

use std::{
    fmt,
    io::Read as _,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use ureq::{
    Agent,
    http::{self, HeaderName, HeaderValue, Method, Uri, header, uri::Scheme},
    unversioned::{
        resolver::DefaultResolver,
        transport::{ConnectProxyConnector, Connector as _, SocksConnector, TcpConnector},
    },
};
use zeroize::Zeroizing;

use crate::{Problem, ProblemKind, Proxies, Trust, server_name::ServerName};

/// Answers of key services are a few hundred bytes.
const MAX_ANSWER: usize = 1 << 20;
/// What most answers fit into, so that they are not copied while they are read.
const USUAL_ANSWER: usize = 16 << 10;
/// Longer than this no connection takes.
const CONNECT: Duration = Duration::from_secs(10);
/// The pause before the first repetition; each further one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Makes calls, over connections that are kept.
///
/// Nothing is opened or read before the first call.
pub struct Client {
    trust: Trust,
    proxies: Proxies,
    limits: Limits,
    plain: OnceLock<Result<Agent, Problem>>,
    secure: OnceLock<Result<Agent, Problem>>,
}

/// How long a call may take, and how often it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a call may take with all its repetitions.
    pub timeout: Duration,
    /// How often it is repeated when the service says that it is busy or broken, or the connection breaks.
    pub repetitions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            repetitions: 2,
        }
    }
}

/// One call.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The address, with `http` or `https`.
    pub uri: Uri,
    /// The headers; those that hold credentials are marked as sensitive.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// The body, which is JSON.
    pub body: &'a [u8],
    /// Whether it may be sent elsewhere.
    pub redirects: Redirects<'a>,
}

/// Whether a call may be sent elsewhere if the service says so.
#[derive(Clone, Copy)]
pub enum Redirects<'a> {
    /// Never.
    Refused,
    /// Once, with all its headers, if this allows the address; never from `https` to `http`.
    Once(&'a dyn Fn(&Uri) -> Result<(), Problem>),
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, which may hold secrets.
    pub body: Zeroizing<Vec<u8>>,
    location: Option<String>,
    retry_after: Option<Duration>,
}

impl Client {
    /// Returns a client.
    #[must_use]
    pub fn new(trust: Trust, proxies: Proxies, limits: Limits) -> Self {
        Self {
            trust,
            proxies,
            limits,
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        }
    }

    /// Returns a client with the authorities and the proxies of this machine. Reads the environment.
    ///
    /// # Errors
    ///
    /// Fails if it names a proxy that is none.
    pub fn from_env(timeout: Duration) -> Result<Self, Problem> {
        let limits = Limits {
            timeout,
            repetitions: 3,
        };
        Ok(Self::new(Trust::default(), Proxies::from_env()?, limits))
    }

    /// Makes a call, and repeats it while the service is busy and there is time. Whatever status it is answered with is
    /// an answer.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer: because of a setting, no connection, no trust, or no time left.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer, Problem> {
        let deadline = Instant::now() + self.limits.timeout;
        let answer = self.repeat(request, &request.uri, deadline)?;
        let Redirects::Once(allow) = request.redirects else {
            return Ok(answer);
        };
        let Some(location) = answer.redirect() else {
            return Ok(answer);
        };
        let target = target(&request.uri, location)?;
        if request.uri.scheme() == Some(&Scheme::HTTPS) && target.scheme() != Some(&Scheme::HTTPS) {
            let message = "the service sends the call on from https to http";
            return Err(Problem::new(ProblemKind::Refused, message));
        }
        allow(&target)?;
        let answer = self.repeat(request, &target, deadline)?;
        if answer.redirect().is_some() {
            let message = "the service sends the call on more than once";
            return Err(Problem::new(ProblemKind::Refused, message));
        }
        Ok(answer)
    }

    fn repeat(
        &self,
        request: &Request<'_>,
        uri: &Uri,
        deadline: Instant,
    ) -> Result<Answer, Problem> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..self.limits.repetitions {
            let outcome = self.once(request, uri, deadline);
            let wait = match &outcome {
                Ok(answer) if answer.is_passing() => answer.retry_after.unwrap_or(jitter(pause)),
                Err(problem) if problem.is_passing() => jitter(pause),
                _ => return outcome,
            };
            // An answer now is worth more than none later.
            if deadline.saturating_duration_since(Instant::now()) <= wait {
                return outcome;
            }
            thread::sleep(wait);
            pause *= 3;
        }
        self.once(request, uri, deadline)
    }

    fn once(&self, request: &Request<'_>, uri: &Uri, deadline: Instant) -> Result<Answer, Problem> {
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let agent = self.agent(is_https)?;
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(uri);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let call = builder
            .body(request.body)
            .map_err(|_| Problem::setting("the call cannot be put into words that HTTP allows"))?;
        let call = agent
            .configure_request(call)
            .proxy(self.proxies.choose(uri))
            .timeout_global(Some(left))
            .timeout_connect(Some(left.min(CONNECT)))
            .build();
        let timeout = self.limits.timeout;
        let mut response = agent
            .run(call)
            .map_err(|error| Problem::from_ureq(&error, timeout))?;
        let text = |name| {
            let value: Option<&HeaderValue> = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let location = text(header::LOCATION);
        let retry_after = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let mut body = Zeroizing::new(Vec::with_capacity(USUAL_ANSWER));
        response
            .body_mut()
            .as_reader()
            .take(MAX_ANSWER as u64 + 1)
            .read_to_end(&mut body)
            .map_err(|error| Problem::from_io(&error, timeout))?;
        if body.len() > MAX_ANSWER {
            let message = "the answer is too large";
            return Err(Problem::new(ProblemKind::Refused, message));
        }
        Ok(Answer {
            status: response.status().as_u16(),
            body,
            location,
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    fn agent(&self, is_https: bool) -> Result<&Agent, Problem> {
        let slot = if is_https { &self.secure } else { &self.plain };
        let agent = slot.get_or_init(|| self.new_agent(is_https));
        agent.as_ref().map_err(Clone::clone)
    }

    fn new_agent(&self, is_https: bool) -> Result<Agent, Problem> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("sops/", env!("CARGO_PKG_VERSION")))
            .proxy(None);
        if !is_https {
            return Ok(config.build().into());
        }
        config = config.tls_config(self.trust.tls_config()?);
        let Some(name) = &self.trust.server_name else {
            return Ok(config.build().into());
        };
        let server_name = ServerName::new(name)
            .ok_or_else(|| Problem::setting(format!("{name:?} is not the name of a server")))?;
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(server_name);
        Ok(Agent::with_parts(
            config.build(),
            connector,
            DefaultResolver::default(),
        ))
    }
}

impl Answer {
    /// Whether the same call may well be answered better in a moment.
    fn is_passing(&self) -> bool {
        match self.status {
            // A state that has not reached this server yet; too many calls.
            412 | 429 => true,
            501 => false,
            status => status >= 500,
        }
    }

    fn redirect(&self) -> Option<&str> {
        let location = self.location.as_deref();
        location.filter(|_| matches!(self.status, 301 | 302 | 307 | 308))
    }
}

/// Where `location` is, seen from `uri`.
fn target(uri: &Uri, location: &str) -> Result<Uri, Problem> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map(|authority| authority.as_str());
    let whole = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{}{location}", authority.unwrap_or_default())
    } else {
        location.to_owned()
    };
    let target: Option<Uri> = whole.parse().ok();
    let is_usable = |target: &Uri| {
        matches!(target.scheme_str(), Some("http" | "https"))
            && target
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
    };
    target.filter(is_usable).ok_or_else(|| {
        let message = "the service sends the call on to what is no address";
        Problem::new(ProblemKind::Refused, message)
    })
}

/// Between three quarters of `pause` and five quarters, so that many do not all come back at once.
fn jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Redirects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "Refused",
            Self::Once(_) => "Once",
        })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_call_is_sent_on_to() {
        let from: Uri = "https://a.example:8200/v1/x".parse().expect("an address");
        let to = |location| target(&from, location).map(|uri| uri.to_string());
        assert_eq!(to("/v1/y"), Ok("https://a.example:8200/v1/y".to_owned()));
        assert_eq!(
            to("//b.example/v1/y"),
            Ok("https://b.example/v1/y".to_owned())
        );
        assert_eq!(to("http://c.example/"), Ok("http://c.example/".to_owned()));
        for bad in [
            "",
            "y",
            "ftp://c.example/",
            "https://u:p@c.example/",
            "https://",
            "/ /\n",
        ] {
            assert!(to(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pauses_differ_but_not_much() {
        for _ in 0..100 {
            let pause = jitter(Duration::from_secs(4));
            assert!((3..=5).contains(&pause.as_secs()), "{pause:?}");
        }
    }
}
