//! Reads files of an archive over HTTP and HTTPS, or from a folder.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Error as HttpError};

use super::proxy::{self, Forward};
use crate::apt_conf::AptConf;
use crate::error::Error;
use crate::progress::Steps;

const TIMEOUT: &str = "VFIO_USER_ISM_FETCH_TIMEOUT";
const TIMEOUT_SECONDS: u64 = 20;
/// A slower download counts as stalled, in bytes per second.
const SLOWEST: u64 = 1024;
/// Number of attempts without progress before a download fails.
const ATTEMPTS: usize = 3;
/// A smaller piece counts as no progress.
const PIECE: u64 = 16 * 1024;
const BLOCK: usize = 64 * 1024;

/// A reason why a file cannot be downloaded.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server refuses the file.
    Refused(String),
    /// The server, the network or the file's content is at fault.
    Remote(String),
    /// This machine is at fault.
    Local(Error),
}

impl Trouble {
    pub(crate) fn remote(words: impl Into<String>) -> Self {
        Self::Remote(words.into())
    }

    /// Returns the message of the archive. A fault of this machine stays an error.
    pub(crate) fn of_archive(self) -> Result<String, Error> {
        match self {
            Self::Refused(words) | Self::Remote(words) => Ok(words),
            Self::Local(error) => Err(error),
        }
    }
}

/// An HTTP client that gives up stalled downloads.
pub(crate) struct Client {
    plain: Agent,
    secure: Agent,
    patience: Duration,
    /// Servers that did not answer. Later files get only one attempt at them.
    slow: RefCell<BTreeSet<String>>,
}

impl Client {
    /// A client that uses the proxies of this machine.
    ///
    /// # Errors
    /// [`Error::BadProxy`] when what names a proxy is no address.
    pub(crate) fn new(conf: &AptConf) -> Result<Self, Error> {
        let seconds = std::env::var(TIMEOUT)
            .ok()
            .and_then(|text| text.parse().ok());
        let patience = Duration::from_secs(seconds.unwrap_or(TIMEOUT_SECONDS).max(1));
        // The certificates that this machine trusts. Only https needs them.
        let certificates: Vec<_> = rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = |proxy| {
            Agent::config_builder()
                .proxy(proxy)
                .http_status_as_error(false)
                .timeout_resolve(Some(patience))
                .timeout_connect(Some(patience))
                .timeout_recv_response(Some(patience))
                .timeout_per_read(Some(patience))
                .user_agent("vfio-user-ism")
                .tls_config(tls.clone())
                .build()
        };
        let agent = |scheme| {
            let through = config(proxy::of_scheme(scheme, conf)?);
            let connector = Forward::new(config(None));
            let resolver = DefaultResolver::default();
            Ok::<_, Error>(Agent::with_parts(through, connector, resolver))
        };
        Ok(Self {
            plain: agent("http")?,
            secure: agent("https")?,
            patience,
            slow: RefCell::default(),
        })
    }

    /// Downloads a file of at most `limit` bytes.
    pub(crate) fn small(&self, url: &str, limit: u64) -> Result<Vec<u8>, Trouble> {
        match self.small_once(url, limit) {
            Err(Trouble::Remote(_)) if !self.slow.borrow().contains(host(url)) => {
                let second = self.small_once(url, limit);
                if matches!(second, Err(Trouble::Remote(_))) {
                    self.slow.borrow_mut().insert(host(url).to_owned());
                }
                second
            }
            other => other,
        }
    }

    fn small_once(&self, url: &str, limit: u64) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        let (mut reader, _) = self.open(url, 0, None)?;
        let mut pace = Pace::new(self.patience);
        let mut block = vec![0; BLOCK];
        loop {
            let read = self.read(&mut *reader, &mut block, &mut pace);
            let count = read.map_err(|words| Trouble::Remote(format!("{url}: {words}")))?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(block.get(..count).unwrap_or_default());
            if bytes.len() as u64 > limit {
                return Err(Trouble::remote(format!("{url}: more than {limit} bytes")));
            }
        }
    }

    /// Downloads the file at `url`, which has `size` bytes, to `part`. Continues after the bytes of an
    /// earlier attempt. `steps` receives the number of bytes so far.
    pub(crate) fn file(
        &self,
        url: &str,
        size: u64,
        part: &Path,
        steps: &Steps,
    ) -> Result<(), Trouble> {
        let mut fruitless = 0;
        loop {
            let before = length(part);
            let trouble = match self.attempt(url, size, part, steps) {
                Ok(()) => return Ok(()),
                Err(Attempt::Final(trouble)) => return Err(trouble),
                Err(Attempt::Passing(words)) => words,
            };
            let now = length(part);
            fruitless = if now >= before + PIECE {
                0
            } else {
                fruitless + 1
            };
            let host = host(url);
            let allowed = if self.slow.borrow().contains(host) {
                1
            } else {
                ATTEMPTS
            };
            if fruitless >= allowed {
                self.slow.borrow_mut().insert(host.to_owned());
                let named = if trouble.starts_with(url) { "" } else { url };
                let words = format!("{named}: {trouble}");
                return Err(Trouble::Remote(words.trim_start_matches(": ").to_owned()));
            }
            steps.say(format_args!("{trouble}; going on at {now} of {size} bytes"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn attempt(&self, url: &str, size: u64, part: &Path, steps: &Steps) -> Result<(), Attempt> {
        let local = |action, error| Attempt::Final(Trouble::Local(Error::io(action, part)(error)));
        let mut have = length(part);
        if have == size {
            return Ok(());
        }
        if have > size {
            fs::remove_file(part).map_err(|error| local("remove", error))?;
            have = 0;
        }
        let (mut reader, resumed) = self.open(url, have, Some(size)).map_err(Attempt::of_open)?;
        let mut options = OpenOptions::new();
        let options = options
            .create(true)
            .append(resumed)
            .write(true)
            .truncate(!resumed);
        let mut file = options.open(part).map_err(|error| local("write", error))?;
        if !resumed {
            have = 0;
        }
        let mut pace = Pace::new(self.patience);
        let mut block = vec![0; BLOCK];
        while have < size {
            steps.bytes(have);
            let count = self
                .read(&mut *reader, &mut block, &mut pace)
                .map_err(Attempt::Passing)?;
            if count == 0 {
                return Err(Attempt::Passing(format!(
                    "it ended after {have} of {size} bytes"
                )));
            }
            have += count as u64;
            if have > size {
                let words = format!("{url}: more than the {size} bytes that the list names");
                drop(fs::remove_file(part));
                return Err(Attempt::Final(Trouble::Remote(words)));
            }
            file.write_all(block.get(..count).unwrap_or_default())
                .map_err(|error| local("write", error))?;
        }
        steps.bytes(have);
        file.sync_all().map_err(|error| local("write", error))
    }

    /// Opens `url` from the byte `from` on. The result says whether the answer starts there. Refuses a file
    /// of another size than `size`.
    fn open(
        &self,
        url: &str,
        from: u64,
        size: Option<u64>,
    ) -> Result<(Box<dyn Read>, bool), Trouble> {
        if let Some(path) = url.strip_prefix("file:") {
            let path = Path::new(path);
            let file = File::open(path);
            let file = file.map_err(|error| Trouble::Refused(format!("{url}: {error}")))?;
            return Ok((Box::new(file), false));
        }
        let agent = match url.strip_prefix("https:") {
            Some(_) => &self.secure,
            None => &self.plain,
        };
        let mut request = agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let answer = request
            .call()
            .map_err(|error| Trouble::remote(format!("{url}: {}", words(&error))))?;
        let status = answer.status().as_u16();
        let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
        let range = header("content-range");
        let resumed = from > 0
            && status == 206
            && range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")));
        let whole = match (status, range.and_then(|range| range.rsplit_once('/'))) {
            (200, _) => header("content-length"),
            (206 | 416, Some((_, whole))) => Some(whole),
            _ => None,
        };
        let whole: Option<u64> = whole.and_then(|text| text.parse().ok());
        if let (Some(whole), Some(size)) = (whole, size)
            && whole != size
        {
            let words = format!("{url}: it has {whole} bytes, the list names {size}");
            return Err(Trouble::Refused(words));
        }
        if status == 200 || resumed {
            return Ok((Box::new(answer.into_body().into_reader()), resumed));
        }
        // The server cannot continue from there, or its file is now shorter.
        if from > 0 && (status == 206 || status == 416) {
            return self.open(url, 0, size);
        }
        let reason = answer.status().canonical_reason().unwrap_or_default();
        let words = format!("{url}: {status} {reason}");
        // Server errors (5xx and similar) may be temporary.
        Err(if (400..500).contains(&status) {
            Trouble::Refused(words)
        } else {
            Trouble::Remote(words)
        })
    }

    fn read(
        &self,
        reader: &mut dyn Read,
        block: &mut [u8],
        pace: &mut Pace,
    ) -> Result<usize, String> {
        loop {
            match reader.read(block) {
                Ok(count) if count > 0 && pace.is_too_slow(count as u64) => {
                    let seconds = self.patience.as_secs();
                    return Err(format!(
                        "it is too slow: less than {SLOWEST} bytes a second for {seconds} s"
                    ));
                }
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.words_of_read(&error)),
            }
        }
    }

    fn words_of_read(&self, error: &io::Error) -> String {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let stalled =
            error.kind() == io::ErrorKind::TimedOut || matches!(inner, Some(HttpError::Timeout(_)));
        if stalled {
            return format!("it stalled: no data for {} s", self.patience.as_secs());
        }
        format!("it broke off: {error}")
    }
}

/// The result of one attempt to download a file.
enum Attempt {
    /// The attempt failed, but another one may work.
    Passing(String),
    Final(Trouble),
}

impl Attempt {
    /// A refusal is final. A server that does not answer may work later.
    fn of_open(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Remote(words) => Self::Passing(words),
            other => Self::Final(other),
        }
    }
}

/// Checks that a download is not too slow.
struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            since: Instant::now(),
            bytes: 0,
        }
    }

    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        if self.since.elapsed() < self.window {
            return false;
        }
        let slow = self.bytes < SLOWEST * self.window.as_secs();
        *self = Self::new(self.window);
        slow
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

/// Scheme, host and port of a URL.
fn host(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/'));
    url.get(..end.map_or(url.len(), |end| start + end))
        .unwrap_or(url)
}

fn words(error: &HttpError) -> String {
    match error {
        HttpError::Timeout(_) => "no answer in time".to_owned(),
        HttpError::HostNotFound => "there is no such host".to_owned(),
        other => other.to_string(),
    }
}
