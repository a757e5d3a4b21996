//! What redb reports, as errors of the store.

use std::io;

use crate::store::error::Error;

fn from_redb(error: &redb::Error) -> Error {
    match error {
        redb::Error::Io(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Error::NoSpace
        }
        redb::Error::Corrupted(what) => Error::Damaged(what.clone()),
        redb::Error::DatabaseClosed => Error::Closed,
        redb::Error::PreviousIo => Error::Internal("an earlier write failed: the file is opened again".to_owned()),
        other => Error::Internal(other.to_string()),
    }
}

macro_rules! from {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                from_redb(&error.into())
            }
        }
    )*};
}

from!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);
