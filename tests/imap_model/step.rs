//! What happens in a case, as data: proptest makes it up and makes it smaller.

use std::sync::Arc;

use proptest::prelude::*;

use crate::replica::cache::Telling;
use crate::replica::client::Client;
use crate::replica::fault::Fault;
use crate::replica::op::{Op, operation};
use crate::replica::picture::{Checked, Features};
use crate::replica::world::World;

/// What a client may enable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Condstore,
    Qresync,
    /// Each its own, and another at each connection.
    Mixed,
}

#[derive(Clone, Debug)]
pub enum What {
    /// Pipelined.
    Act(Vec<Op>),
    Select {
        mailbox: u8,
        how: Telling,
        remember: bool,
    },
    Close {
        expunge: bool,
    },
    Connect {
        features: u8,
    },
    Offline,
    /// The connection ends while a command is answered: SELECT, where there is no operation.
    Cut {
        operation: Option<Op>,
        how: Telling,
        lines: u8,
    },
    Idle,
    Sync {
        in_full: bool,
    },
    Twin(Telling),
}

#[derive(Clone, Debug)]
pub enum Step {
    One(u8, What),
    /// Several clients at once, and mail for them.
    Together {
        acts: Vec<(u8, Vec<Op>)>,
        deliveries: u8,
    },
    Deliver(u8),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub clients: usize,
    pub features: [u8; 5],
    pub steps: Vec<Step>,
}

pub fn case() -> impl Strategy<Value = Case> {
    let steps = prop::collection::vec(step(), 1..=200);
    (2..=5_usize, any::<[u8; 5]>(), steps).prop_map(|(clients, features, steps)| Case { clients, features, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let together = (prop::collection::vec((any::<u8>(), pipeline()), 2..5), 0..3_u8)
        .prop_map(|(acts, deliveries)| Step::Together { acts, deliveries });
    prop_oneof![
        14 => (any::<u8>(), what()).prop_map(|(client, what)| Step::One(client, what)),
        2 => together,
        1 => any::<u8>().prop_map(Step::Deliver),
    ]
}

fn pipeline() -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![3 => prop::collection::vec(operation(), 1), 1 => prop::collection::vec(operation(), 2..5)]
}

fn what() -> impl Strategy<Value = What> {
    let select = (any::<u8>(), telling(), prop::bool::weighted(0.9))
        .prop_map(|(mailbox, how, remember)| What::Select { mailbox, how, remember });
    let cut = (prop::option::weighted(0.7, operation()), telling(), 0..8_u8)
        .prop_map(|(operation, how, lines)| What::Cut { operation, how, lines });
    prop_oneof![
        30 => pipeline().prop_map(What::Act),
        4 => select,
        1 => any::<bool>().prop_map(|expunge| What::Close { expunge }),
        3 => any::<u8>().prop_map(|features| What::Connect { features }),
        2 => Just(What::Offline),
        2 => cut,
        3 => Just(What::Idle),
        6 => any::<bool>().prop_map(|in_full| What::Sync { in_full }),
        3 => telling().prop_map(What::Twin),
    ]
}

fn telling() -> impl Strategy<Value = Telling> {
    (0..4_u8, any::<u8>(), prop::bool::weighted(0.15)).prop_map(|(known, matches, examine)| Telling {
        known,
        matches,
        examine,
    })
}

/// A case that runs.
pub struct Run {
    world: Arc<World>,
    /// `None` while it is away doing something.
    clients: Vec<Option<Client>>,
    features: Vec<Features>,
    mode: Mode,
    /// Steps in which something was done.
    pub steps: u64,
}

impl Run {
    pub fn new(world: Arc<World>, mode: Mode, case: &Case) -> Self {
        let clients = (0..case.clients).map(|n| Some(Client::new(&world, format!("client {n}")))).collect();
        let features = case.features.iter().map(|bits| mode.features(*bits)).collect();
        Self { world, clients, features, mode, steps: 0 }
    }

    /// Each client meets the fault.
    pub fn plant(&mut self, fault: Fault) {
        self.clients.iter_mut().flatten().for_each(|client| client.plant(fault, 1));
    }

    pub async fn run(&mut self, steps: &[Step]) -> Checked {
        for step in steps {
            self.step(step).await?;
        }
        for client in self.clients.iter_mut().flatten() {
            client.picture.alone = true;
            client.leave_idle().await?;
            client.sync(true).await?;
            client.twin(Telling { known: 3, matches: 0x55, examine: false }).await?;
        }
        self.world.check()
    }

    async fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::One(client, what) => {
                let at = usize::from(*client) % self.clients.len();
                let Some(mut client) = self.clients[at].take() else { return Ok(()) };
                let outcome = self.one(at, &mut client, what).await;
                self.clients[at] = Some(client);
                outcome
            }
            Step::Together { acts, deliveries } => self.together(acts, *deliveries).await,
            Step::Deliver(account) => {
                self.steps += 1;
                self.world.deliver(usize::from(*account)).await;
                Ok(())
            }
        }
    }

    async fn one(&mut self, at: usize, client: &mut Client, what: &What) -> Checked {
        client.picture.alone = true;
        let stays_away = matches!(what, What::Offline | What::Sync { .. } | What::Idle | What::Close { .. });
        if !client.is_online() && stays_away {
            return Ok(());
        }
        self.steps += 1;
        if let What::Connect { features } = what {
            self.features[at] = self.mode.features(*features);
        }
        if !client.is_online() || matches!(what, What::Connect { .. }) {
            client.connect(self.features[at]).await?;
            client.picture.alone = true;
        }
        let selects = matches!(what, What::Select { .. } | What::Twin(_) | What::Cut { operation: None, .. });
        if client.picture.mailbox.is_none() && !selects {
            let how = Telling { known: 3, matches: 0, examine: false };
            client.select(&self.world.names[0], how, true).await?;
        }
        match what {
            What::Act(operations) => client.act(operations).await,
            What::Select { mailbox, how, remember } => {
                let name = &self.world.names[usize::from(*mailbox) % self.world.names.len()];
                client.select(name, *how, *remember).await?;
                client.sync(false).await
            }
            What::Close { expunge } => client.close(*expunge).await,
            What::Connect { .. } => client.sync(false).await,
            What::Offline => {
                client.go_offline();
                Ok(())
            }
            What::Cut { operation, how, lines } => client.leave_in_the_middle(operation.as_ref(), *how, *lines).await,
            What::Idle => client.enter_idle().await,
            What::Sync { in_full } => client.sync(*in_full).await,
            What::Twin(how) => client.twin(*how).await,
        }
    }

    async fn together(&mut self, acts: &[(u8, Vec<Op>)], deliveries: u8) -> Checked {
        let mut running = tokio::task::JoinSet::new();
        for (client, operations) in acts {
            let at = usize::from(*client) % self.clients.len();
            let fits = |client: &mut Client| client.is_online() && client.picture.mailbox.is_some();
            let Some(mut client) = self.clients[at].take_if(fits) else { continue };
            self.steps += 1;
            client.picture.alone = false;
            let operations = operations.clone();
            running.spawn(async move {
                let outcome = client.act(&operations).await;
                (at, client, outcome)
            });
        }
        for n in 0..deliveries {
            self.world.deliver(usize::from(n)).await;
        }
        let mut outcomes = Ok(());
        while let Some(done) = running.join_next().await {
            let (at, client, outcome) = done.map_err(|error| error.to_string())?;
            self.clients[at] = Some(client);
            outcomes = outcomes.and(outcome);
        }
        outcomes
    }
}

impl Mode {
    fn features(self, bits: u8) -> Features {
        let rev2 = bits & 0b100 != 0;
        let plain = Features { rev2, ..Features::default() };
        let condstore = Features { condstore: true, ..plain };
        match (self, bits % 4) {
            (Self::Plain, _) | (Self::Mixed, 0) => plain,
            (Self::Condstore, _) | (Self::Mixed, 1) => condstore,
            _ => Features { qresync: true, ..condstore },
        }
    }
}
