//! Which cases there are.

use std::time::Duration;

use tributary::demo::pop3d::{At, Chunks, Quirks, Settings as ServerSettings, Traffic};
use tributary::poll::LeaveOnServer;

use super::case::{Case, Fault, Phase};
use super::world::World;

/// Bytes between two places in the output.
const STRIDE: usize = 64;
/// Where others are repeated with bytes one at a time.
const CHUNKED_STRIDE: usize = 512;
const POLICIES: [LeaveOnServer; 4] = [
    LeaveOnServer::Forever,
    LeaveOnServer::Never,
    // Over by the next poll.
    LeaveOnServer::For(Duration::from_millis(1)),
    LeaveOnServer::UntilExpunged,
];

/// How the server is set up.
pub(crate) fn settings(pipelining: bool, chunks: Chunks) -> ServerSettings {
    let mut settings = ServerSettings { quirks: Quirks { chunks, ..Quirks::default() }, ..ServerSettings::default() };
    settings.capabilities.iter_mut().flatten().for_each(|name| {
        if !pipelining && name == "PIPELINING" {
            "X-ONE-BY-ONE".clone_into(name);
        }
    });
    settings
}

/// Every case of the matrix.
pub(crate) async fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for policy in POLICIES {
        for phase in [Phase::Fetching, Phase::Deleting] {
            // There the second session has nothing to do.
            if phase == Phase::Deleting && policy == LeaveOnServer::Forever {
                continue;
            }
            for pipelining in [true, false] {
                let (fault, at, chunks) = (Fault::Cut, At::Byte(u64::MAX), Chunks::Whole);
                let clean = Case { policy, phase, pipelining, fault, at, chunks };
                let traffic = clean.record(world).await;
                for (fault, chunks) in kinds(&clean) {
                    let places = places(traffic, fault, chunks).into_iter();
                    cases.extend(places.map(|at| Case { fault, at, chunks, ..clean }));
                }
            }
        }
    }
    cases
}

/// What can go wrong in this session, and how the bytes are cut.
fn kinds(case: &Case) -> Vec<(Fault, Chunks)> {
    let (broken, garbled) = ([Fault::Cut, Fault::Reset, Fault::Stall], [Fault::Overwrite, Fault::Insert]);
    let whole = |fault: &Fault| (*fault, Chunks::Whole);
    if !case.pipelining {
        let chunked = [(Fault::Cut, Chunks::Of(1)), (Fault::Stall, Chunks::Random(5)), (Fault::Insert, Chunks::Of(1))];
        return garbled.iter().map(whole).chain(chunked).collect();
    }
    // Where deletions come between the messages, as soon as these are durable, no message ends at a known byte.
    let known = case.policy == LeaveOnServer::Forever;
    broken.iter().map(whole).chain(garbled.iter().filter(|_| known).map(whole)).collect()
}

/// Every so many bytes, and the beginning of each answer; of those that are garbled the third byte as well.
fn places(traffic: Traffic, fault: Fault, chunks: Chunks) -> Vec<At> {
    let stride = if chunks == Chunks::Whole { STRIDE } else { CHUNKED_STRIDE };
    let mut places: Vec<At> = (0..traffic.octets).step_by(stride).map(At::Byte).collect();
    if chunks == Chunks::Whole {
        places.extend((0..=traffic.answers).map(|answer| At::Answer(answer, 0)));
        places.extend((0..=traffic.answers).filter(|_| fault.garbles()).map(|answer| At::Answer(answer, 2)));
    }
    places
}
