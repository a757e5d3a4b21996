//! The rules of IMAP-RULES that need several connections (marked R there), each in four modes: plain, CONDSTORE, QRESYNC, and
//! QRESYNC with UIDONLY. A test says what a device is told in words of no mode; `device` demands the form of the mode.

/// Four tests of one function: `name::plain`, `name::condstore`, `name::qresync` and `name::uidonly`.
macro_rules! in_every_mode {
    ($($name:ident)*) => {$(
        mod $name {
            use crate::rules::device::Mode;

            #[tokio::test]
            async fn plain() {
                super::$name(Mode::Plain).await;
            }

            #[tokio::test]
            async fn condstore() {
                super::$name(Mode::Condstore).await;
            }

            #[tokio::test]
            async fn qresync() {
                super::$name(Mode::Qresync).await;
            }

            #[tokio::test]
            async fn uidonly() {
                super::$name(Mode::UidOnly).await;
            }
        }
    )*};
}

mod device;
mod expunged;
mod expunges;
mod flags;
mod idle;
mod moves;
mod resync;
mod serial;
mod told;
