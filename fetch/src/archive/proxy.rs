//! Chooses the proxy for a scheme's requests, and sends plain HTTP requests to it.
//!
//! The HTTP library opens a tunnel (CONNECT) for everything. Proxies commonly allow that to port 443
//! alone, and caches of packages have nothing to keep then. A request for an `http:` address is
//! therefore handed to the proxy itself, with the whole address in it (source: RFC 9112, section
//! 3.2.2).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Error as HttpError, Proxy, ProxyProtocol};

use crate::apt_conf::AptConf;
use crate::error::Error;

/// Settings that may name the proxy of a scheme: apt's setting, then variables.
const PLACES: [(&str, [&str; 2], [&str; 2]); 2] = [
    (
        "http",
        ["Acquire::http::Proxy", "Acquire::http::Proxy"],
        ["http_proxy", "all_proxy"],
    ),
    (
        "https",
        ["Acquire::https::Proxy", "Acquire::http::Proxy"],
        ["https_proxy", "all_proxy"],
    ),
];
/// Values that mean no proxy.
const NONE: [&str; 3] = ["", "direct", "false"];

/// The proxy for addresses of `scheme`, if there is one.
///
/// # Errors
/// [`Error::BadProxy`] when what names it is no address.
pub(crate) fn of_scheme(scheme: &str, conf: &AptConf) -> Result<Option<Proxy>, Error> {
    let variable = |name: &str| {
        let upper = name.to_ascii_uppercase();
        std::env::var(name).or_else(|_| std::env::var(upper)).ok()
    };
    let exceptions = variable("no_proxy").unwrap_or_default();
    let place = PLACES.iter().find(|(each, ..)| *each == scheme);
    let Some((_, settings, variables)) = place else {
        return Ok(None);
    };
    let set = settings
        .iter()
        .find_map(|name| Some((*name, conf.get(name)?.to_owned())));
    let named = set.or_else(|| {
        let mut variables = variables.iter();
        variables.find_map(|name| Some((*name, variable(name)?)))
    });
    match named {
        Some((_, value)) if NONE.contains(&value.to_ascii_lowercase().as_str()) => Ok(None),
        Some((named_by, value)) => proxy(&value, &exceptions)
            .map(Some)
            .ok_or(Error::BadProxy { named_by, value }),
        None => Ok(None),
    }
}

/// The proxy at `address`. Hosts in `exceptions`, a list with commas, do not use it.
fn proxy(address: &str, exceptions: &str) -> Option<Proxy> {
    let named = Proxy::new(address).ok()?;
    let mut proxy = Proxy::builder(named.protocol())
        .host(named.host())
        .port(named.port());
    if let Some(name) = named.username() {
        proxy = proxy.username(name);
    }
    if let Some(password) = named.password() {
        proxy = proxy.password(password);
    }
    let exceptions = exceptions.split(',').map(str::trim);
    let exceptions = exceptions.filter(|each| !each.is_empty());
    exceptions
        .fold(proxy, |proxy, each| proxy.no_proxy(each))
        .build()
        .ok()
}

/// Connects to the proxy if a request needs one, else like the library.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The configuration for the connection to the proxy itself.
    direct: Config,
    library: DefaultConnector,
}

impl Forward {
    /// `direct` is a configuration without a proxy.
    pub(crate) fn new(direct: Config) -> Self {
        Self {
            direct,
            library: DefaultConnector::default(),
        }
    }
}

impl Connector for Forward {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, HttpError> {
        let asks = |proxy: &&Proxy| {
            let speaks = [ProxyProtocol::Http, ProxyProtocol::Https].contains(&proxy.protocol());
            let is_plain = details.uri.scheme_str() == Some("http");
            speaks && is_plain && !proxy.is_no_proxy(details.uri)
        };
        let Some(proxy) = details.config.proxy().filter(asks) else {
            return self.library.connect(details, chained);
        };
        let at_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details
                .resolver
                .resolve(proxy.uri(), &self.direct, details.timeout)?,
            config: &self.direct,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let Some(transport) = self.library.connect(&at_proxy, chained)? else {
            return Ok(None);
        };
        Ok(Some(Box::new(Forwarded {
            transport,
            target: target(details.uri),
            rights: rights(proxy),
        })))
    }
}

/// The first part of requested addresses.
fn target(uri: &Uri) -> String {
    let authority = uri.authority().map(ToString::to_string);
    format!("http://{}", authority.unwrap_or_default())
}

/// The header with the user's credentials for the proxy, if there are any.
fn rights(proxy: &Proxy) -> String {
    let Some(name) = proxy.username() else {
        return String::new();
    };
    let text = format!("{name}:{}", proxy.password().unwrap_or_default());
    let text = BASE64_STANDARD.encode(text);
    format!("Proxy-Authorization: Basic {text}\r\n")
}

/// A connection to a proxy. Each request on it names the whole address.
#[derive(Debug)]
struct Forwarded {
    transport: Box<dyn Transport>,
    target: String,
    rights: String,
}

impl Transport for Forwarded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    /// A request has no body here, so it is written at once.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), HttpError> {
        let output = self.transport.buffers().output();
        let request = output.get(..amount).unwrap_or_default();
        let request = whole_address(request, &self.target, &self.rights);
        let room = output.get_mut(..request.len());
        room.ok_or_else(|| HttpError::Other("the address is too long".into()))?
            .copy_from_slice(&request);
        self.transport.transmit_output(request.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, HttpError> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// A request with `target` before its path, and `rights` after its first line.
fn whole_address(request: &[u8], target: &str, rights: &str) -> Vec<u8> {
    const METHOD: &[u8] = b"GET ";
    let line = request.windows(2).position(|pair| pair == b"\r\n");
    match (request.strip_prefix(METHOD), line) {
        (Some(_), Some(end)) => {
            let (line, rest) = request.split_at(end + 2);
            let path = line.get(METHOD.len()..).unwrap_or_default();
            [METHOD, target.as_bytes(), path, rights.as_bytes(), rest].concat()
        }
        _ => request.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_whole_address() {
        let request = b"GET /debian/x HTTP/1.1\r\nHost: m.example\r\n\r\n";
        let asked = whole_address(request, "http://m.example", "Proxy: 1\r\n");
        assert_eq!(
            String::from_utf8(asked).unwrap(),
            "GET http://m.example/debian/x HTTP/1.1\r\nProxy: 1\r\nHost: m.example\r\n\r\n"
        );
        assert_eq!(whole_address(b"else", "http://m", ""), b"else");
    }

    #[test]
    fn exceptions_and_rights_are_kept() {
        let proxy = proxy("http://me:a%40b@p.example:3128", "local, .inside.example,").unwrap();
        let skips = |text: &str| proxy.is_no_proxy(&text.parse().unwrap());
        assert!(skips("http://local/") && skips("http://x.inside.example/"));
        assert!(!skips("http://m.example/"));
        assert_eq!((proxy.host(), proxy.port()), ("p.example", 3128));
        // me:a@b
        assert_eq!(rights(&proxy), "Proxy-Authorization: Basic bWU6YUBi\r\n");
        assert!(super::proxy("ftp://p.example", "").is_none());
    }
}
