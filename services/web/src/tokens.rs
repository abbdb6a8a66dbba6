//! Build tokens: a page we served may start what it is for. `BinderHub`'s form and claims, so that sites which share a secret honour
//! each other's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bindery_core::{Secret, Timestamp};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

/// The one algorithm written and accepted.
const ALGORITHM: &str = "HS256";
/// Longer ones are not ours.
const MAX_LEN: usize = 16 * 1024;

/// Makes and checks build tokens.
pub(crate) struct BuildTokens {
    key: Vec<u8>,
    lifetime_seconds: u64,
    check_origin: bool,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    exp: u64,
    aud: String,
    origin: String,
}

impl BuildTokens {
    /// With `secret`, or with one that only this process knows. A secret of hexadecimal digits stands for the bytes they name.
    pub(crate) fn new(secret: Option<&Secret>, lifetime_seconds: u64, check_origin: bool) -> Self {
        let key = match secret.map(Secret::expose).filter(|text| !text.is_empty()) {
            Some(text) => hex::decode(text).unwrap_or_else(|_| text.as_bytes().to_vec()),
            None => [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()].iter().flat_map(|id| *id.as_bytes()).collect(),
        };
        Self { key, lifetime_seconds, check_origin }
    }

    /// A token for the page of `provider/spec` at the host `origin`.
    pub(crate) fn mint(&self, provider: &str, raw_spec: &str, origin: &str, now: Timestamp) -> String {
        let header = Header { alg: ALGORITHM.to_owned(), typ: Some("JWT".to_owned()) };
        let exp = (now.as_millis() / 1000).saturating_add(self.lifetime_seconds);
        let claims = Claims { exp, aud: audience(provider, raw_spec), origin: origin.to_owned() };
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.mac(&signed).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Whether `token` was made for this spec and host, by someone who knows the secret, and is not too old.
    pub(crate) fn is_valid(&self, token: &str, provider: &str, raw_spec: &str, origin: &str, now: Timestamp) -> bool {
        self.claims(token).is_some_and(|claims| {
            claims.exp > now.as_millis() / 1000
                && claims.aud == audience(provider, raw_spec)
                && (!self.check_origin || claims.origin == origin)
        })
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_LEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        // In constant time, and before anything of it is believed.
        self.mac(signed)?.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let header: Header = decode(header)?;
        if header.alg == ALGORITHM { decode(claims) } else { None }
    }

    fn mac(&self, signed: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(signed.as_bytes());
        Some(mac)
    }
}

/// The spec as it stands in the path, escapes and all.
fn audience(provider: &str, raw_spec: &str) -> String {
    format!("{provider}/{}", raw_spec.trim_end_matches('/'))
}

fn encode<T: Serialize>(value: &T) -> String {
    // Structs of strings and numbers are always JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::BuildTokens;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use bindery_core::{Secret, Timestamp};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn tokens(secret: &str) -> BuildTokens {
        BuildTokens::new(Some(&Secret::new(secret)), 300, true)
    }

    fn minted() -> String {
        tokens("00ff").mint("gh", "a/b/HEAD", "hub.example", NOW)
    }

    #[test]
    fn a_token_is_good_for_its_spec_host_and_time_only() {
        let token = minted();
        let later = |seconds| NOW.plus(std::time::Duration::from_secs(seconds));
        let rows = [
            ("00ff", "gh", "a/b/HEAD", "hub.example", NOW, true),
            ("00ff", "gh", "a/b/HEAD/", "hub.example", later(299), true),
            ("00ff", "gh", "a/b/HEAD", "hub.example", later(300), false),
            ("00ff", "gh", "a/b/main", "hub.example", NOW, false),
            ("00ff", "gl", "a/b/HEAD", "hub.example", NOW, false),
            ("00ff", "gh", "a/b/HEAD", "evil.example", NOW, false),
            ("00fe", "gh", "a/b/HEAD", "hub.example", NOW, false),
        ];
        for (secret, provider, spec, origin, now, expected) in rows {
            let known = tokens(secret).is_valid(&token, provider, spec, origin, now);
            assert_eq!(known, expected, "{secret} {provider}/{spec} at {origin}");
        }
        let lenient = BuildTokens::new(Some(&Secret::new("00ff")), 300, false);
        assert!(lenient.is_valid(&token, "gh", "a/b/HEAD", "elsewhere.example", NOW));
    }

    #[test]
    fn claims_are_those_that_binderhub_writes() {
        let token = minted();
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut json = || serde_json::from_slice::<serde_json::Value>(&parts.next().unwrap()).unwrap();
        assert_eq!(json(), serde_json::json!({"alg": "HS256", "typ": "JWT"}));
        assert_eq!(json(), serde_json::json!({"exp": 1_000_300, "aud": "gh/a/b/HEAD", "origin": "hub.example"}));
    }

    /// Made with Python's `hmac`, from a header in another order of keys.
    #[test]
    fn a_token_made_elsewhere_with_the_same_secret_is_honoured() {
        let token = "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJIUzI1NiJ9.eyJleHAiOiAxMDAwMjAwLCAiYXVkIjogImdoL2EvYi9IRUFEIiwgIm9yaWdpbiI6ICJodWIuZXhhbXBsZSJ9.sRvbz7tTyURxkH5e-EIEv6r2gcLOhdWx5mcPXVjnN_8";
        assert!(tokens("00ff").is_valid(token, "gh", "a/b/HEAD", "hub.example", NOW));
    }

    #[test]
    fn a_token_without_a_signature_or_with_another_algorithm_is_none() {
        let token = minted();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in
            [format!("{none}.{claims}."), format!("{none}.{claims}.{signature}"), format!("{signed}."), signed.into()]
        {
            assert!(!tokens("00ff").is_valid(&forged, "gh", "a/b/HEAD", "hub.example", NOW), "{forged}");
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        let empty = || BuildTokens::new(Some(&Secret::new("")), 300, true);
        let token = empty().mint("gh", "a/b/HEAD", "h", NOW);
        assert!(!empty().is_valid(&token, "gh", "a/b/HEAD", "h", NOW), "everybody knows it");
    }

    #[test]
    fn each_process_without_a_secret_has_its_own() {
        let (one, other) = (BuildTokens::new(None, 300, true), BuildTokens::new(None, 300, true));
        let token = one.mint("gh", "a/b/HEAD", "h", NOW);
        assert!(one.is_valid(&token, "gh", "a/b/HEAD", "h", NOW));
        assert!(!other.is_valid(&token, "gh", "a/b/HEAD", "h", NOW));
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_none_is_valid(text in "\\PC{0,200}") {
            prop_assert!(!tokens("00ff").is_valid(&text, "gh", "a/b/HEAD", "hub.example", NOW));
        }

        #[test]
        fn a_changed_token_is_invalid(at in 0usize..100, to in "[A-Za-z0-9_-]") {
            let token = minted();
            let mut changed: Vec<char> = token.chars().collect();
            // The last character of a signature holds bits that are not part of it; the first hundred are all signed.
            let at = at % changed.len();
            changed[at] = to.chars().next().unwrap();
            let changed: String = changed.into_iter().collect();
            prop_assume!(changed != token);
            prop_assert!(!tokens("00ff").is_valid(&changed, "gh", "a/b/HEAD", "hub.example", NOW));
        }
    }
}
