//! The AUTHORIZATION state: CAPA, STLS, LANG and UTF8, then one method of login after the other. One command at a time.

use super::super::auth::{self, Broken, Exchange, OnOk, Situation};
use super::super::command::Command;
use super::super::reply::Status;
use super::super::{Capabilities, Error, Method, Misbehavior, Verb};
use super::{Event, Phase, Security, Session};

/// How far the login has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    encrypted: bool,
    logged_in: bool,
    /// Of the greeting, for APOP.
    timestamp: Option<Vec<u8>>,
    asked_lang: bool,
    asked_utf8: bool,
    /// The methods begun, in their order.
    tried: Vec<Method>,
    /// The AUTH exchange under way.
    exchange: Option<Exchange>,
    /// What the session ends with if no method is left.
    failure: Option<Error>,
}

impl Progress {
    pub(super) fn under_way(&self) -> Option<Method> {
        self.tried.last().copied().filter(|_| !self.logged_in)
    }
}

impl Session {
    pub(super) fn login_reply(&mut self, command: Command, status: &Status<'_>) -> Result<(), Error> {
        let verb = command.verb;
        match (verb, status) {
            (Verb::Auth, _) => return self.auth_reply(status),
            (Verb::Greeting, Status::Ok(text)) => {
                self.login.timestamp = auth::timestamp(text);
                return self.ask_capa();
            }
            (Verb::Capa, Status::Ok(_)) => {
                self.new_capabilities = Capabilities::default();
                self.capability_lines = 0;
                self.expect_lines(command);
            }
            (Verb::Capa, _) => return self.after_capa(),
            (Verb::Stls, Status::Ok(_)) => {
                self.phase = Phase::AwaitTls;
                self.events.push_back(Event::StartTls);
            }
            // RFC 6856: without them mail comes as it came before there were they.
            (Verb::Lang | Verb::Utf8, _) => return self.prepare(),
            (Verb::User, Status::Ok(_)) => {
                let line = self.options.credentials.pass_line();
                self.send_line(Verb::Pass, &line);
            }
            (Verb::Pass, Status::Ok(_)) => self.logged_in(Method::User),
            (Verb::Apop, Status::Ok(_)) => self.logged_in(Method::Apop),
            (Verb::Apop | Verb::User | Verb::Pass, Status::Err(text)) => return self.method_refused(verb, text),
            (_, Status::Err(text)) => return Err(self.refused(verb, text)),
            _ => return Err(Misbehavior::UnsolicitedReply.into()),
        }
        Ok(())
    }

    /// RFC 2595 section 4: capabilities learnt in the clear are forgotten.
    pub(super) fn login_over_tls(&mut self) {
        self.login.encrypted = true;
        let known = self.capabilities.known;
        self.capabilities = Capabilities::default();
        // Before it is given up for want of a method the server is asked once more, whatever it said of CAPA before.
        if known || self.prepare().is_err() {
            self.send(Verb::Capa);
        }
    }

    pub(super) fn after_capa(&mut self) -> Result<(), Error> {
        if self.login.logged_in {
            self.begin_listing();
        } else if self.options.security == Security::StartTls && !self.login.encrypted {
            // Also without the capability: the answer decides, and a refusal ends the session.
            self.send(Verb::Stls);
        } else {
            return self.prepare();
        }
        Ok(())
    }

    fn ask_capa(&mut self) -> Result<(), Error> {
        if self.options.use_capa {
            self.send(Verb::Capa);
            return Ok(());
        }
        self.after_capa()
    }

    /// RFC 6856 sections 2.1 and 3: LANG and UTF8 come before the login and after TLS; what comes of them is all the
    /// same. With UTF8 internationalised mail is delivered unaltered.
    fn prepare(&mut self) -> Result<(), Error> {
        if self.capabilities.lang && !self.login.asked_lang {
            self.login.asked_lang = true;
            self.send_line(Verb::Lang, b"LANG en\r\n");
        } else if self.capabilities.utf8 && !self.login.asked_utf8 {
            self.login.asked_utf8 = true;
            self.send(Verb::Utf8);
        } else {
            return self.authenticate();
        }
        Ok(())
    }

    /// Begins the next method; if none is left the session ends with the last answer to one.
    fn authenticate(&mut self) -> Result<(), Error> {
        let credentials = &self.options.credentials;
        let situation = Situation {
            capabilities: &self.capabilities,
            forced: self.options.method,
            avoid: &self.options.avoid,
            tried: &self.login.tried,
            is_secure: self.options.security == Security::Tls || self.login.encrypted,
            can_apop: self.login.timestamp.is_some() && credentials.is_one_word(),
            can_bind: self.options.binding.is_some(),
            has_token: credentials.is_token(),
        };
        let Some(method) = situation.choose() else {
            return Err(self.login.failure.take().unwrap_or(Error::NoMethod));
        };
        self.login.tried.push(method);
        match (method, &self.login.timestamp) {
            (Method::User, _) => {
                let line = credentials.user_line();
                self.send_line(Verb::User, &line);
            }
            (Method::Apop, Some(timestamp)) => {
                let line = auth::apop_line(credentials, timestamp);
                self.send_line(Verb::Apop, &line);
            }
            _ => {
                let binding = self.options.binding.as_ref();
                let Some((exchange, line)) = Exchange::begin(method, credentials, binding, &self.capabilities) else {
                    return self.authenticate();
                };
                self.login.exchange = Some(exchange);
                self.send_line(Verb::Auth, &line);
            }
        }
        Ok(())
    }

    fn auth_reply(&mut self, status: &Status<'_>) -> Result<(), Error> {
        let Some(exchange) = &mut self.login.exchange else { return Err(Misbehavior::UnsolicitedReply.into()) };
        match status {
            Status::Continue(challenge) => return self.challenged(challenge),
            // Of a cancelled exchange nothing but its end matters.
            Status::Err(_) | Status::Ok(_) if exchange.is_cancelled() => return self.authenticate(),
            Status::Err(text) => return self.method_refused(Verb::Auth, text),
            Status::Ok(text) => match exchange.on_ok(text) {
                OnOk::Done => {
                    let method = self.login.under_way();
                    method.into_iter().for_each(|method| self.logged_in(method));
                }
                OnOk::Challenge => {
                    self.fault(Misbehavior::OkForContinuation);
                    return self.challenged(text);
                }
                OnOk::Unproven => return Err(Misbehavior::BadServerSignature.into()),
            },
        }
        Ok(())
    }

    fn challenged(&mut self, challenge: &[u8]) -> Result<(), Error> {
        let Some(exchange) = &mut self.login.exchange else { return Err(Misbehavior::UnexpectedContinuation.into()) };
        match exchange.respond(challenge) {
            Ok(line) => self.send_line(Verb::Auth, &line),
            Err(Broken::Unexpected) => return Err(Misbehavior::UnexpectedContinuation.into()),
            Err(Broken::Signature) => return Err(Misbehavior::BadServerSignature.into()),
            Err(Broken::Malformed) => {
                let line = exchange.cancel();
                self.send_line(Verb::Auth, line);
                self.fault(Misbehavior::MalformedChallenge);
                self.login.failure.get_or_insert_with(|| Misbehavior::MalformedChallenge.into());
            }
        }
        Ok(())
    }

    fn method_refused(&mut self, verb: Verb, text: &[u8]) -> Result<(), Error> {
        let refusal = self.options.credentials.refusal(text);
        let is_final = self.login.under_way().is_none_or(|method| auth::is_final(method, &refusal));
        let failure = Error::Refused { verb, refusal };
        if is_final {
            return Err(failure);
        }
        self.login.failure = Some(failure);
        self.authenticate()
    }

    /// RFC 2449 section 5: the TRANSACTION state may have other capabilities.
    fn logged_in(&mut self, method: Method) {
        self.events.push_back(Event::LoggedIn(method));
        self.login.logged_in = true;
        self.login.exchange = None;
        if self.capabilities.known {
            self.send(Verb::Capa);
        } else {
            self.begin_listing();
        }
    }
}
