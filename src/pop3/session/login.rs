//! The AUTHORIZATION state: CAPA, STLS, AUTH or USER and PASS. One command at a time.

use super::super::command::Command;
use super::super::reply::Status;
use super::super::{Capabilities, Error, Method, Misbehavior, RefusalKind, Verb};
use super::{Event, Phase, Security, Session};

/// How far the login has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    encrypted: bool,
    logged_in: bool,
    /// AUTH PLAIN was refused for another reason than the credentials: USER and PASS remain.
    plain_refused: bool,
    /// The response was sent, with AUTH or after it.
    responded: bool,
    /// The server asked for the response.
    challenged: bool,
}

impl Session {
    pub(super) fn login_reply(&mut self, command: Command, status: &Status<'_>) -> Result<(), Error> {
        let verb = command.verb;
        match (verb, status) {
            (Verb::Auth, _) => return self.auth_reply(status),
            (Verb::Greeting, Status::Ok(_)) => self.ask_capa(),
            (Verb::Capa, Status::Ok(_)) => {
                self.new_capabilities = Capabilities::default();
                self.capability_lines = 0;
                self.expect_lines(command);
            }
            (Verb::Capa, _) => self.after_capa(),
            (Verb::Stls, Status::Ok(_)) => {
                self.phase = Phase::AwaitTls;
                self.events.push_back(Event::StartTls);
            }
            (Verb::User, Status::Ok(_)) => {
                let line = self.options.credentials.pass_line();
                self.send_line(Verb::Pass, &line);
            }
            (Verb::Pass, Status::Ok(_)) => self.logged_in(Method::User),
            (_, Status::Err(text)) => return Err(self.refused(verb, text)),
            _ => return Err(Misbehavior::UnsolicitedReply.into()),
        }
        Ok(())
    }

    /// RFC 2595 section 4: capabilities learnt in the clear are forgotten.
    pub(super) fn login_over_tls(&mut self) {
        self.login.encrypted = true;
        if self.capabilities.known {
            self.capabilities = Capabilities::default();
            self.send(Verb::Capa);
        } else {
            self.authenticate();
        }
    }

    pub(super) fn after_capa(&mut self) {
        if self.login.logged_in {
            self.begin_listing();
        } else if self.options.security == Security::StartTls && !self.login.encrypted {
            // Also without the capability: the answer decides, and a refusal ends the session.
            self.send(Verb::Stls);
        } else {
            self.authenticate();
        }
    }

    fn ask_capa(&mut self) {
        if self.options.use_capa {
            self.send(Verb::Capa);
        } else {
            self.after_capa();
        }
    }

    fn authenticate(&mut self) {
        if self.capabilities.sasl_plain && !self.login.plain_refused {
            let (line, with_response) = self.options.credentials.auth_line();
            self.login.responded = with_response;
            self.send_line(Verb::Auth, &line);
        } else {
            let line = self.options.credentials.user_line();
            self.send_line(Verb::User, &line);
        }
    }

    fn auth_reply(&mut self, status: &Status<'_>) -> Result<(), Error> {
        match status {
            Status::Ok(_) if self.login.responded => self.logged_in(Method::Plain),
            Status::Ok(_) => {
                self.fault(Misbehavior::OkForContinuation);
                self.respond();
            }
            // A server may ask again although the response came with the command; a second time is one too many.
            Status::Continue if !self.login.challenged => self.respond(),
            Status::Continue => return Err(Misbehavior::UnexpectedContinuation.into()),
            Status::Err(text) => {
                let refusal = self.options.credentials.refusal(text);
                // Without a response code it may be the mechanism that is refused, whatever CAPA said.
                if refusal.code.is_some() || refusal.kind() != RefusalKind::Other {
                    return Err(Error::Refused { verb: Verb::Auth, refusal });
                }
                self.login.plain_refused = true;
                self.authenticate();
            }
        }
        Ok(())
    }

    fn respond(&mut self) {
        self.login.challenged = true;
        self.login.responded = true;
        let line = self.options.credentials.response_line();
        self.send_line(Verb::Auth, &line);
    }

    /// RFC 2449 section 5: the TRANSACTION state may have other capabilities.
    fn logged_in(&mut self, method: Method) {
        self.events.push_back(Event::LoggedIn(method));
        self.login.logged_in = true;
        if self.capabilities.known {
            self.send(Verb::Capa);
        } else {
            self.begin_listing();
        }
    }
}
