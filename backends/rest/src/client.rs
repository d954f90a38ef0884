//! The client: connections that are kept, limits, and further attempts.

use std::{
    io::Read as _,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Proxy,
    http::{Request, Response, Uri},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};
use zeroize::Zeroizing;

use crate::{Answer, Call, CallError, Settings, SettingsError, proxy::Proxies};

/// No answer that holds a wrapped key is nearly as long.
const MAX_ANSWER: usize = 1 << 20;

/// How long the first pause before another attempt is; each further one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(150);

/// A client for one service, to be used by any number of threads.
///
/// Nothing is read or opened before the first call.
pub struct Client {
    settings: Settings,
    /// With TLS or without, through a proxy or not.
    agents: [[OnceLock<Agent>; 2]; 2],
    proxies: [OnceLock<Proxies>; 2],
}

impl Client {
    /// Returns a client.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            agents: Default::default(),
            proxies: Default::default(),
        }
    }

    /// Reads the certificates and keys that the settings name, if an address with TLS is going to be called.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be used.
    pub fn prepare(&self, url: &str) -> Result<(), SettingsError> {
        self.agent(url).map(drop)
    }

    /// Sends a request and returns the answer, whatever it says. Of answers that say "not now" (429, 500, 502, 503, 504)
    /// the last is returned, when the time for further attempts is over.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let limit = call.time_limit.unwrap_or(self.settings.time_limit);
        let deadline = Instant::now() + limit;
        let attempts = if call.is_tried_again {
            self.settings.attempts
        } else {
            1
        };
        let agent = self
            .agent(call.url)
            .map_err(|error| CallError::Tls(error.message))?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let outcome = self.attempt(agent, call, deadline, limit);
            let is_last = attempt >= attempts;
            match &outcome {
                Ok(answer) if !is_passing(answer.status) => return outcome,
                Err(error) if !error.is_passing() => return outcome,
                _ if is_last => return outcome,
                _ => {}
            }
            let asked = outcome
                .as_ref()
                .ok()
                .and_then(retry_after)
                .unwrap_or_default();
            let wait = pause.max(asked);
            // An answer that says no is worth more than silence until the time is over.
            if Instant::now() + wait >= deadline {
                return outcome;
            }
            thread::sleep(wait);
            pause *= 3;
        }
        Err(CallError::TimedOut(limit))
    }

    fn attempt(
        &self,
        agent: &Agent,
        call: &Call<'_>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(CallError::TimedOut(limit));
        }
        let failed = |error: ureq::Error| CallError::from_ureq(&error, limit);
        let mut request = Request::builder()
            .method(call.method)
            .uri(self.called(call.url)?);
        if self.settings.server_name.is_some() {
            let uri: Uri = call.url.parse().map_err(|_| CallError::Address)?;
            let authority = uri.authority().ok_or(CallError::Address)?;
            request = request.header("Host", authority.as_str());
        }
        for (name, value) in &call.headers {
            let mut value =
                ureq::http::HeaderValue::from_str(value).map_err(|_| CallError::Address)?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let response = match call.body {
            Some(body) => {
                let request = request
                    .body(body.expose())
                    .map_err(|_| CallError::Address)?;
                let request = agent
                    .configure_request(request)
                    .timeout_global(Some(left))
                    .build();
                agent.run(request)
            }
            None => {
                let request = request.body(()).map_err(|_| CallError::Address)?;
                let request = agent
                    .configure_request(request)
                    .timeout_global(Some(left))
                    .build();
                agent.run(request)
            }
        };
        read(response.map_err(failed)?, limit)
    }

    fn agent(&self, url: &str) -> Result<&Agent, SettingsError> {
        let uri: Option<Uri> = url.parse().ok();
        let is_https = uri
            .as_ref()
            .is_some_and(|uri| uri.scheme_str() == Some("https"));
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let proxies =
            self.proxies[usize::from(is_https)].get_or_init(|| Proxies::from_env(is_https));
        let proxy = match &self.settings.proxy {
            Some(proxy) => Some(proxy),
            None => proxies.proxy.as_ref().filter(|_| proxies.apply_to(host)),
        };
        let agent = &self.agents[usize::from(is_https)][usize::from(proxy.is_some())];
        if let Some(agent) = agent.get() {
            return Ok(agent);
        }
        let new = self.new_agent(is_https, proxy, url)?;
        Ok(agent.get_or_init(|| new))
    }

    fn new_agent(
        &self,
        is_https: bool,
        proxy: Option<&String>,
        url: &str,
    ) -> Result<Agent, SettingsError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .user_agent(concat!("sops-rs/", env!("CARGO_PKG_VERSION")));
        if is_https {
            config = config.tls_config(self.settings.tls()?);
        }
        let proxy = proxy.map(|proxy| {
            Proxy::new(proxy)
                .map_err(|_| SettingsError::new("the address of the proxy cannot be used"))
        });
        config = config.proxy(proxy.transpose()?);
        let config = config.build();
        Ok(match (&self.settings.server_name, is_https) {
            (Some(_), true) => {
                let real: Uri = url
                    .parse()
                    .map_err(|_| SettingsError::new("the address cannot be used"))?;
                Agent::with_parts(config, DefaultConnector::default(), Elsewhere(real))
            }
            _ => Agent::new_with_config(config),
        })
    }

    /// The URL that ureq gets: with the name that the certificate has to be for.
    fn called(&self, url: &str) -> Result<Uri, CallError> {
        let uri: Uri = url.parse().map_err(|_| CallError::Address)?;
        let Some(name) = self
            .settings
            .server_name
            .as_ref()
            .filter(|_| uri.scheme_str() == Some("https"))
        else {
            return Ok(uri);
        };
        let port = uri.port_u16().unwrap_or(443);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        format!("https://{name}:{port}{path}")
            .parse()
            .map_err(|_| CallError::Address)
    }
}

/// Finds the real server under the name that its certificate has.
#[derive(Debug)]
struct Elsewhere(Uri);

impl Resolver for Elsewhere {
    fn resolve(
        &self,
        _: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(&self.0, config, timeout)
    }
}

fn read(mut response: Response<ureq::Body>, limit: Duration) -> Result<Answer, CallError> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut reader = response.body_mut().as_reader();
    let mut body = Zeroizing::new(Vec::with_capacity(8 << 10));
    let mut piece = Zeroizing::new([0; 4 << 10]);
    loop {
        let count = match reader.read(&mut *piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(CallError::from_io(&error, limit)),
        };
        if body.len() + count > MAX_ANSWER {
            return Err(CallError::TooLong);
        }
        // Growing a vector leaves the old one as it was, so it is done by hand.
        if body.capacity() - body.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * body.capacity() + count));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&piece[..count]);
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// The seconds that a server asks to wait.
fn retry_after(answer: &Answer) -> Option<Duration> {
    answer
        .header("Retry-After")?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
