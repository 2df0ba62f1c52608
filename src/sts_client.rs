//! Asks the token service of another server for credentials, on behalf of a workload here.
//!
//! Floor 4. A sidecar cannot mint (TOK-04), so that what its pod needs comes from an issuer.

use crate::model::{Secret, Timestamp};
use quick_xml::Reader;
use quick_xml::events::Event;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest that the service is waited for: clients give up after a second or two (CCE-05).
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest answer, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A token service elsewhere.
#[derive(Clone, Debug)]
pub struct StsClient {
    client: Client,
    address: Url,
}

/// Temporary credentials that it gave.
#[derive(Clone, Debug)]
pub struct Vended {
    /// The access key.
    pub access_key_id: String,
    /// What signs requests.
    pub secret: Secret,
    /// The session token.
    pub token: Secret,
    /// When they end.
    pub expires_at: Timestamp,
}

/// Why it gave none.
#[derive(Debug, thiserror::Error)]
pub enum StsClientError {
    /// It is no address to send a token to.
    #[error("`{0}` is neither an https address nor one of this machine")]
    Address(String),
    /// The certificates of its authority cannot be read.
    #[error("the certificates of the authority cannot be read")]
    Authority(#[source] reqwest::Error),
    /// It cannot be reached, or breaks off.
    #[error("the token service cannot be reached")]
    Call(#[source] reqwest::Error),
    /// It refuses.
    #[error("the token service refuses: {code}: {message}")]
    Refused {
        /// The code.
        code: String,
        /// Its words.
        message: String,
    },
    /// It answers something that nobody understands.
    #[error("the answer of the token service cannot be read")]
    Answer,
}

impl StsClient {
    /// A client of the service at `address`, which has a certificate of `ca` or of an authority of the
    /// system.
    ///
    /// # Errors
    ///
    /// [`StsClientError`] for an address over which a token would go in the clear.
    pub fn new(address: &str, ca: Option<&[u8]>) -> Result<Self, StsClientError> {
        let fault = || StsClientError::Address(address.to_owned());
        let address = Url::parse(address).map_err(|_| fault())?;
        let host = address.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if address.scheme() != "https" && !(address.scheme() == "http" && is_here) {
            return Err(fault());
        }
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent("sidegate");
        if let Some(pem) = ca {
            let certificates =
                Certificate::from_pem_bundle(pem).map_err(StsClientError::Authority)?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(StsClientError::Authority)?;
        Ok(Self { client, address })
    }

    /// A session of a role for whoever a token of an issuer proves.
    ///
    /// # Errors
    ///
    /// [`StsClientError`].
    pub async fn assume(
        &self,
        role: &str,
        session: &str,
        token: &str,
    ) -> Result<Vended, StsClientError> {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let form = Zeroizing::new(format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
            encode(role),
            encode(session),
            encode(token)
        ));
        let request = self.client.post(self.address.clone());
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec());
        let mut response = request.send().await.map_err(StsClientError::Call)?;
        let is_good = response.status().as_u16() == 200;
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(StsClientError::Call)? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(StsClientError::Answer);
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| StsClientError::Answer)?;
        let value = |name| element(text, name).ok_or(StsClientError::Answer);
        if !is_good {
            return Err(StsClientError::Refused {
                code: value("Code")?,
                message: value("Message")?,
            });
        }
        let secret = |name| value(name).map(|text| Secret::new(text.into_bytes()));
        Ok(Vended {
            access_key_id: value("AccessKeyId")?,
            secret: secret("SecretAccessKey")?,
            token: secret("SessionToken")?,
            expires_at: Timestamp::parse(&value("Expiration")?)
                .map_err(|_| StsClientError::Answer)?,
        })
    }
}

/// The text of the one element with a name.
fn element(xml: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut is_inside) = (None, false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                is_inside = start.name().as_ref() == name;
                if is_inside && found.replace(String::new()).is_some() {
                    return None;
                }
            }
            Event::End(_) => is_inside = false,
            Event::Text(text) if is_inside => found.as_mut()?.push_str(&text),
            Event::GeneralRef(reference) if is_inside => {
                let character = match (&*reference, reference.resolve_char_ref()) {
                    (_, Ok(Some(character))) => character,
                    ("amp", _) => '&',
                    ("lt", _) => '<',
                    ("gt", _) => '>',
                    ("quot", _) => '"',
                    _ => return None,
                };
                found.as_mut()?.push(character);
            }
            Event::Eof => return found.filter(|text| !text.is_empty()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_nowhere_in_the_clear() {
        for good in [
            "https://sts.example.com",
            "http://127.0.0.1:9192",
            "http://[::1]:1/",
        ] {
            assert!(StsClient::new(good, None).is_ok(), "{good}");
        }
        for bad in [
            "http://sts.example.com",
            "http://localhost:1",
            "ftp://127.0.0.1",
            "sts",
            "",
        ] {
            assert!(StsClient::new(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_element_is_there_once() {
        let cases = [
            ("<a><b>x&amp;y</b></a>", Some("x&y")),
            ("<a><b></b></a>", None),
            ("<a><b>x</b><b>y</b></a>", None),
            ("<a/>", None),
            ("<a><b>x", Some("x")),
            ("<b>&nope;</b>", None),
        ];
        for (xml, expected) in cases {
            assert_eq!(element(xml, "b").as_deref(), expected, "{xml}");
        }
    }
}
