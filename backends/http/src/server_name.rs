//! TLS with a server that is called otherwise in its certificate.

use ureq::{
    Error,
    http::{Uri, uri::Scheme},
    unversioned::transport::{ConnectionDetails, Connector, RustlsConnector, Transport},
};

/// Asks for, and checks, the certificate of another name than that of the address.
#[derive(Debug)]
pub(crate) struct ServerName {
    /// `https://` and the name.
    pub(crate) uri: Uri,
    pub(crate) tls: RustlsConnector,
}

impl ServerName {
    /// Returns a connector for `name`, or nothing if that is no name of a server.
    pub(crate) fn new(name: &str) -> Option<Self> {
        rustls::pki_types::ServerName::try_from(name).ok()?;
        let host = match name.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => name.to_owned(),
        };
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(host)
            .path_and_query("/");
        Some(Self {
            uri: uri.build().ok()?,
            tls: RustlsConnector::default(),
        })
    }
}

impl<In: Transport> Connector<In> for ServerName {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // A connection to a proxy has no part in this, nor one without TLS.
        let is_target = details.needs_tls() && chained.is_some();
        let uri = if is_target { &self.uri } else { details.uri };
        let details = ConnectionDetails {
            uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.tls.connect(&details, chained)
    }
}
