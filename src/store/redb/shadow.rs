//! A file that is only read: what redb writes to open it after a failure stays in memory. So mail can be read while
//! nothing can be written, as on a full disk that copies on write, or one remounted read-only.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Mutex;

use redb::{BackendError, StorageBackend};

use crate::store::notify::lock;

const PAGE: u64 = 4096;

/// The file, and over it what was written.
#[derive(Debug)]
pub(super) struct Shadow {
    file: Box<dyn StorageBackend>,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// Up to here the file counts; it would be zeros behind.
    under: u64,
    /// Pages by number.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Shadow {
    pub(super) fn new(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, over: Mutex::new(Over { len, under: len, pages: BTreeMap::new() }) })
    }

    fn read_under(&self, under: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(under.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (there, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() { Ok(()) } else { self.file.read(offset, there) }
    }
}

/// The parts of `len` bytes from `offset` by page: number of the page, bounds within it and within the whole.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let end = offset + len as u64;
    (offset / PAGE..end.div_ceil(PAGE)).map(move |number| {
        let (low, high) = ((number * PAGE).max(offset), ((number + 1) * PAGE).min(end));
        let within = |start: u64| (low - start) as usize..(high - start) as usize;
        (number, within(number * PAGE), within(offset))
    })
}

type Range = Bound<u64>;

impl StorageBackend for Shadow {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.over).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = lock(&self.over);
        if offset + out.len() as u64 > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_under(over.under, offset, out)?;
        for (number, of_page, of_out) in parts(offset, out.len()) {
            let page = over.pages.get(&number).and_then(|page| page.get(of_page));
            if let (Some(page), Some(out)) = (page, out.get_mut(of_out)) {
                out.copy_from_slice(page);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = lock(&self.over);
        over.len = len;
        over.under = over.under.min(len);
        over.pages.retain(|number, _| number * PAGE < len);
        if let Some(last) = over.pages.get_mut(&(len / PAGE)) {
            last.iter_mut().skip((len % PAGE) as usize).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = lock(&self.over);
        for (number, of_page, of_data) in parts(offset, data.len()) {
            if !over.pages.contains_key(&number) {
                let mut page = vec![0; PAGE as usize];
                self.read_under(over.under, number * PAGE, &mut page)?;
                over.pages.insert(number, page);
            }
            let page = over.pages.get_mut(&number).and_then(|page| page.get_mut(of_page));
            if let (Some(page), Some(data)) = (page, data.get(of_data)) {
                page.copy_from_slice(data);
            }
        }
        over.len = over.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    fn try_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
    fn unlock_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
