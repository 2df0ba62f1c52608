//! Where a door is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An address that a door is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `HOST:PORT`, with a numeric host or `localhost`, or `unix:PATH`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x` is how other programs write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Self::Unix(path.into()));
        }
        let text = text
            .strip_prefix("localhost:")
            .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        text.parse().ok().map(Self::Tcp)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numeric_or_paths() {
        let cases = [
            ("127.0.0.1:9191", Some("127.0.0.1:9191")),
            ("localhost:9191", Some("127.0.0.1:9191")),
            ("[::1]:9191", Some("[::1]:9191")),
            (
                "unix:/run/sidegate/x.sock",
                Some("unix:/run/sidegate/x.sock"),
            ),
            ("unix:///run/x.sock", Some("unix:/run/x.sock")),
            ("unix:", None),
            (":9191", None),
            ("example.test:9191", None),
            ("127.0.0.1", None),
        ];
        for (text, expected) in cases {
            let got = Address::parse(text).map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }
}
