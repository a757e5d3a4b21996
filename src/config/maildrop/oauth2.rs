//! OAuth 2.0 logins (`oauth2:`): a provider by name, or by its URLs.

use ::oauth2::url::{Host, Url};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::config::section::{Item, Section};
use crate::config::{secrets, value};
use crate::oauth::{Flow, Provider};

/// The longest URL or client id.
const MAX_LENGTH: usize = 2048;

/// How an account gets its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OAuth2 {
    /// Who gives them.
    #[serde(flatten)]
    pub provider: OAuthProvider,
    /// The client's id at the provider.
    pub client_id: String,
    /// The client's secret, where the provider wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<secrets::Sourced>,
    /// How a person logs in.
    #[serde(serialize_with = "show_flow")]
    pub flow: Flow,
}

/// Who gives the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OAuthProvider {
    /// Google.
    Google,
    /// Microsoft.
    Microsoft {
        /// `common`, `consumers`, `organizations`, or the id or domain of one.
        tenant: String,
    },
    /// Someone else.
    Custom(Provider),
}

impl OAuthProvider {
    /// Its URLs and scopes.
    pub fn endpoints(&self) -> Provider {
        match self {
            Self::Google => Provider::google(),
            Self::Microsoft { tenant } => Provider::microsoft(tenant),
            Self::Custom(provider) => provider.clone(),
        }
    }
}

impl Serialize for OAuthProvider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Google => map.serialize_entry("provider", "google")?,
            Self::Microsoft { tenant } => {
                map.serialize_entry("provider", "microsoft")?;
                map.serialize_entry("tenant", tenant)?;
            }
            Self::Custom(provider) => {
                map.serialize_entry("authorization_url", &provider.authorization_url)?;
                if let Some(url) = &provider.device_url {
                    map.serialize_entry("device_url", url)?;
                }
                map.serialize_entry("token_url", &provider.token_url)?;
                map.serialize_entry("scopes", &provider.scopes)?;
            }
        }
        map.end()
    }
}

fn show_flow<S: Serializer>(flow: &Flow, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match flow {
        Flow::Device => "device",
        Flow::Browser => "browser",
    })
}

/// The whole section.
pub(super) fn read(mut section: Section<'_>) -> Option<OAuth2> {
    let provider = provider(&mut section);
    let client_id = section.required("client_id", "the id that the provider gave").and_then(|i| i.value(client_id));
    let client_secret = section.item("client_secret").map(|item| secrets::read(&item, false));
    let flow = flow(&mut section, provider.as_ref());
    section.finish();
    let client_secret = match client_secret {
        Some(read) => Some(read?),
        None => None,
    };
    Some(OAuth2 { provider: provider?, client_id: client_id?, client_secret, flow })
}

/// By name, or by URLs and scopes.
fn provider(section: &mut Section<'_>) -> Option<OAuthProvider> {
    let named = section.item("provider");
    let tenant = section.item("tenant");
    let custom = ["authorization_url", "device_url", "token_url", "scopes"].map(|key| section.item(key));
    let is_microsoft = named.as_ref().is_some_and(|item| item.text() == Some("microsoft"));
    if let Some(tenant) = tenant.as_ref().filter(|_| !is_microsoft) {
        tenant.problem("only provider: microsoft has tenants; leave it out");
    }
    let Some(named) = named else {
        if custom.iter().all(Option::is_none) {
            section.required("provider", "google or microsoft, or authorization_url, token_url and scopes of another");
            return None;
        }
        return by_urls(section, custom).map(OAuthProvider::Custom);
    };
    for item in custom.iter().flatten() {
        item.problem("a named provider has its own; leave this out, or leave provider out and write all of them");
    }
    match named.text()? {
        "google" => Some(OAuthProvider::Google),
        "microsoft" => {
            let tenant = match tenant {
                Some(item) => item.value(tenant_name)?,
                None => "common".to_owned(),
            };
            Some(OAuthProvider::Microsoft { tenant })
        }
        other => {
            let instead =
                "write google or microsoft, or leave it out and write authorization_url, token_url and scopes";
            named.problem(format!("{other:?} is no provider known here; {instead}"));
            None
        }
    }
}

fn by_urls(section: &mut Section<'_>, given: [Option<Item<'_>>; 4]) -> Option<Provider> {
    let [authorization, device, token, scopes] = given;
    let mut required = |item: Option<Item<'_>>, key, example| match item {
        Some(item) => item.value(url),
        None => section.required(key, example).and(None),
    };
    let authorization_url = required(authorization, "authorization_url", "https://login.example.com/authorize");
    let token_url = required(token, "token_url", "https://login.example.com/token");
    let device_url = device.map(|item| item.value(url));
    let scopes = match scopes {
        Some(item) => scope_list(&item),
        None => section.required("scopes", "[what gives access to POP3]").and(None),
    };
    let device_url = match device_url {
        Some(read) => Some(read?),
        None => None,
    };
    Some(Provider { authorization_url: authorization_url?, device_url, token_url: token_url?, scopes: scopes? })
}

fn scope_list(item: &Item<'_>) -> Option<Vec<String>> {
    let items = item.list()?;
    if items.is_empty() {
        item.problem("is empty; write the scopes that give access to POP3");
        return None;
    }
    // All are read before any failure counts.
    let read: Vec<Option<String>> = items.iter().map(|item| item.value(scope)).collect();
    read.into_iter().collect()
}

fn flow(section: &mut Section<'_>, provider: Option<&OAuthProvider>) -> Flow {
    let item = section.item("flow");
    let written = item.as_ref().and_then(|item| {
        item.value(|text| match text {
            "device" => Ok(Flow::Device),
            "browser" => Ok(Flow::Browser),
            _ => Err(format!("{text:?} is no way to log in; write device or browser")),
        })
    });
    // Google gives no access to mail by device code.
    let why_no_device = match provider {
        Some(OAuthProvider::Google) => Some("Google gives no access to mail by device code; write browser"),
        Some(OAuthProvider::Custom(Provider { device_url: None, .. })) => {
            Some("a login by device code needs device_url; write that too, or browser")
        }
        _ => None,
    };
    if let (Some(item), Some(Flow::Device), Some(what)) = (&item, written, why_no_device) {
        item.problem(what);
    }
    let default = if why_no_device.is_some() { Flow::Browser } else { Flow::Device };
    written.unwrap_or(default)
}

/// It becomes part of a URL's path.
fn tenant_name(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if text.is_empty() || text.len() > 253 || text.starts_with('.') || !text.bytes().all(good) {
        return Err(format!("{text:?} is no tenant; write common, consumers, organizations, or the id of one"));
    }
    Ok(text.to_owned())
}

/// RFC 6749 appendix A.1.
fn client_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(
            "no client id: it has 1 to 2048 printable ASCII characters; write what the provider gave".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// RFC 6749 section 3.3.
fn scope(text: &str) -> Result<String, String> {
    let good = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(good) {
        return Err(format!("{text:?} is no scope; write one scope an entry, without spaces"));
    }
    Ok(text.to_owned())
}

/// What travels there opens the maildrop: only within this machine may it do so without TLS.
fn url(text: &str) -> Result<String, String> {
    const INSTEAD: &str = "write it as in https://login.example.com/token";
    if text.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} characters; {INSTEAD}"));
    }
    let url = Url::parse(text).map_err(|e| format!("{text:?} is no URL ({e}); {INSTEAD}"))?;
    let stays_here = match url.host() {
        Some(Host::Domain(name)) => value::is_loopback(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() => {
            Err(format!("a URL here has no user, password or fragment (#); {INSTEAD}"))
        }
        "https" => Ok(text.to_owned()),
        "http" if stays_here => Ok(text.to_owned()),
        "http" => Err(format!("{text:?} would send tokens for everyone to read; write https:// in place of http://")),
        _ => Err(format!("{text:?} is no https URL; {INSTEAD}")),
    }
}
