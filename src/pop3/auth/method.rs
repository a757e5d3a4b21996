//! The methods by name and by strength, and which of them is tried next.

use super::super::{Capabilities, Refusal, RefusalKind, ResponseCode};

/// A way to log in (RFC 1939 section 7, RFC 5034).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the protocols")]
pub enum Method {
    User,
    Apop,
    Plain,
    Login,
    CramMd5,
    ScramSha1,
    ScramSha1Plus,
    ScramSha256,
    ScramSha256Plus,
    Xoauth2,
    OauthBearer,
}

/// Methods for a password, the strongest first. USER is last: every server is thought to have it.
const FOR_PASSWORD: [Method; 9] = [
    Method::ScramSha256Plus,
    Method::ScramSha256,
    Method::ScramSha1Plus,
    Method::ScramSha1,
    Method::CramMd5,
    Method::Plain,
    Method::Login,
    Method::Apop,
    Method::User,
];

/// Methods for an OAuth 2.0 token: the standard first (RFC 7628).
const FOR_TOKEN: [Method; 2] = [Method::OauthBearer, Method::Xoauth2];

/// Methods that are tried in one session: servers lock accounts that fail more often.
const MAX_TRIED: usize = 3;

impl Method {
    /// Every method.
    pub const ALL: [Self; 11] = [
        Self::User,
        Self::Apop,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
        Self::ScramSha1,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha256Plus,
        Self::Xoauth2,
        Self::OauthBearer,
    ];

    /// The name in the configuration and in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Apop => "apop",
            Self::Plain => "plain",
            Self::Login => "login",
            Self::CramMd5 => "cram-md5",
            Self::ScramSha1 => "scram-sha-1",
            Self::ScramSha1Plus => "scram-sha-1-plus",
            Self::ScramSha256 => "scram-sha-256",
            Self::ScramSha256Plus => "scram-sha-256-plus",
            Self::Xoauth2 => "xoauth2",
            Self::OauthBearer => "oauthbearer",
        }
    }

    /// Whether it proves an OAuth 2.0 token rather than a password.
    pub const fn wants_token(self) -> bool {
        matches!(self, Self::Xoauth2 | Self::OauthBearer)
    }

    /// Whether the password itself never travels. Servers that keep only hashes advertise such methods and fail them.
    pub const fn is_challenge_response(self) -> bool {
        matches!(
            self,
            Self::Apop
                | Self::CramMd5
                | Self::ScramSha1
                | Self::ScramSha1Plus
                | Self::ScramSha256
                | Self::ScramSha256Plus
        )
    }

    /// Whether it proves the TLS channel too.
    pub(in crate::pop3) const fn is_bound(self) -> bool {
        matches!(self, Self::ScramSha1Plus | Self::ScramSha256Plus)
    }

    /// Its SASL name, for AUTH; USER and APOP are commands of their own.
    pub const fn sasl_name(self) -> Option<&'static str> {
        match self {
            Self::User | Self::Apop => None,
            Self::Plain => Some("PLAIN"),
            Self::Login => Some("LOGIN"),
            Self::CramMd5 => Some("CRAM-MD5"),
            Self::ScramSha1 => Some("SCRAM-SHA-1"),
            Self::ScramSha1Plus => Some("SCRAM-SHA-1-PLUS"),
            Self::ScramSha256 => Some("SCRAM-SHA-256"),
            Self::ScramSha256Plus => Some("SCRAM-SHA-256-PLUS"),
            Self::Xoauth2 => Some("XOAUTH2"),
            Self::OauthBearer => Some("OAUTHBEARER"),
        }
    }

    /// The method of a SASL name in any case.
    pub(in crate::pop3) fn of_sasl_name(name: &[u8]) -> Option<Self> {
        let named = |method: &Self| method.sasl_name().is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(name));
        Self::ALL.into_iter().find(named)
    }
}

/// What the choice of a method rests on.
#[derive(Clone, Copy, Debug)]
pub(in crate::pop3) struct Situation<'a> {
    /// What the server says now.
    pub(in crate::pop3) capabilities: &'a Capabilities,
    /// The one method that is asked for.
    pub(in crate::pop3) forced: Option<Method>,
    /// Methods not to be tried.
    pub(in crate::pop3) avoid: &'a [Method],
    /// Methods begun in this session.
    pub(in crate::pop3) tried: &'a [Method],
    /// Nobody else reads the connection.
    pub(in crate::pop3) is_secure: bool,
    /// The greeting had a timestamp that can be trusted, and the user name fits on the line.
    pub(in crate::pop3) can_apop: bool,
    /// There is data to bind the login to the channel.
    pub(in crate::pop3) can_bind: bool,
    /// The credentials are a token.
    pub(in crate::pop3) has_token: bool,
}

impl Situation<'_> {
    /// The next method, if one is left.
    pub(in crate::pop3) fn choose(&self) -> Option<Method> {
        if let Some(forced) = self.forced {
            return (self.tried.is_empty() && self.is_possible(forced)).then_some(forced);
        }
        if self.tried.len() >= MAX_TRIED {
            return None;
        }
        let methods: &[Method] = if self.has_token { &FOR_TOKEN } else { &FOR_PASSWORD };
        let left = |method: &Method| !self.tried.contains(method) && !self.avoid.contains(method);
        methods.iter().copied().find(|method| left(method) && self.is_possible(*method) && self.is_offered(*method))
    }

    /// A token is never sent as a password, nor a password as a token.
    fn is_possible(&self, method: Method) -> bool {
        method.wants_token() == self.has_token
            && (method != Method::Apop || self.can_apop)
            && (!method.is_bound() || self.can_bind)
    }

    fn is_offered(&self, method: Method) -> bool {
        match method {
            Method::User => true,
            // What is seen of it in the clear gives the password away to whoever chose the timestamp.
            Method::Apop => self.is_secure,
            Method::Xoauth2 if !self.capabilities.sasl_listed => true,
            _ => self.capabilities.sasl.contains(&method),
        }
    }
}

/// Whether a refusal of `method` leaves no other worth a try.
pub(in crate::pop3) fn is_final(method: Method, refusal: &Refusal) -> bool {
    if method.wants_token() {
        return true;
    }
    match (refusal.code, refusal.kind()) {
        (Some(ResponseCode::Auth), _) => !method.is_challenge_response(),
        (Some(_), _) | (None, RefusalKind::Locked | RefusalKind::Throttled) => true,
        (None, RefusalKind::Credentials | RefusalKind::Other) => false,
    }
}
