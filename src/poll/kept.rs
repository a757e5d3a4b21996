//! What is kept of an account from one run of the service to the next.

use tokio::sync::OnceCell;

use super::settings::AccountSettings;
use crate::mail::AccountId;
use crate::store::{PollState, Result, Store};

/// The row of one account. A store that fails does not stop the task: what it cannot say is not known.
pub(super) struct Kept {
    store: Store,
    id: String,
    user: String,
    name: String,
    account: OnceCell<AccountId>,
}

impl Kept {
    pub(super) fn new(store: Store, settings: &AccountSettings) -> Self {
        let (id, user, name) = (settings.id.clone(), settings.user.clone(), settings.name.clone());
        Self { store, id, user, name, account: OnceCell::new() }
    }

    /// The account in the store, made on first use.
    pub(super) async fn account(&self) -> Result<AccountId> {
        let made = async {
            let user = self.store.ensure_user(&self.user).await?;
            self.store.ensure_account(user, &self.name).await
        };
        self.account.get_or_try_init(|| made).await.copied()
    }

    pub(super) async fn load(&self) -> PollState {
        let found = async { self.store.poll_state(self.account().await?).await };
        found.await.unwrap_or_else(|error| {
            tracing::error!(account = self.id, %error, "cannot read what is known of the account");
            PollState::default()
        })
    }

    pub(super) async fn change(&self, change: impl Fn(&mut PollState) + Send + 'static) {
        if let Err(error) = self.try_change(change).await {
            tracing::error!(account = self.id, %error, "cannot write down what is known of the account");
        }
    }

    pub(super) async fn try_change(&self, change: impl Fn(&mut PollState) + Send + 'static) -> Result<PollState> {
        self.store.change_poll_state(self.account().await?, change).await
    }
}
