//! When certificates end.

use crate::model::Timestamp;
use x509_parser::pem::Pem;

/// When the first of the certificates in a PEM text ends; `None` where there is none that can be read.
///
/// For people who have to renew it: whether a certificate counts is for whoever verifies with it.
#[must_use]
pub fn certificates_end(pem: &[u8]) -> Option<Timestamp> {
    let ends = Pem::iter_from_buffer(pem).filter_map(|part| {
        let part = part.ok()?;
        let certificate = part.parse_x509().ok()?;
        let end = certificate.validity().not_after.timestamp();
        Some(Timestamp::from_seconds(end))
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_end_is_told() {
        let certificate = |year| {
            let mut parameters = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            parameters.self_signed(&key).unwrap().pem()
        };
        let both = certificate(2040) + &certificate(2035);
        let end = certificates_end(both.as_bytes()).unwrap();
        assert_eq!(end.to_iso(), "2035-01-01T00:00:00Z");
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "nonsense", no_certificate] {
            assert_eq!(certificates_end(text.as_bytes()), None, "{text}");
        }
    }
}
