//! The threading algorithms of RFC 5256 section 3, and their result on the wire. Pure. Threads may be as deep as the mailbox
//! is large: nothing here recurses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What threading looks at of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    /// What the answer calls it.
    pub(super) number: u32,
    /// Its sent date, seconds since 1970 UTC.
    pub(super) sent: i64,
    /// Its base subject, as it is compared.
    pub(super) subject: String,
    /// It is a reply or was forwarded (RFC 5256 section 2.1).
    pub(super) is_reply: bool,
    /// Its Message-ID.
    pub(super) id: Option<Vec<u8>>,
    /// The Message-IDs that it refers to, the nearest last.
    pub(super) references: Vec<Vec<u8>>,
}

/// Threads of messages.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

/// A message in a thread.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The letter, as its index, which is also its place in the mailbox; `None`: a dummy, for a message that is not there.
    letter: Option<usize>,
    /// The number of the letter.
    number: u32,
    parent: Option<usize>,
    /// It was made a parent at some time.
    is_parent: bool,
    children: Vec<usize>,
}

impl Forest {
    /// The threads, in the order of the answer.
    pub(super) fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.roots.iter().copied()
    }

    /// `thread-list = "(" (thread-members / thread-nested) ")"`,
    /// `thread-members = nz-number *(SP nz-number) [SP thread-nested]`, `thread-nested = 2*thread-list`
    pub(super) fn write(&self, root: usize, out: &mut Vec<u8>) {
        let mut steps = vec![Step::Open(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Close => out.push(b')'),
                Step::Open(node) => {
                    out.push(b'(');
                    steps.extend([Step::Close, Step::Members(node)]);
                }
                Step::Members(node) => {
                    let Some(Node { letter, number, children, .. }) = self.nodes.get(node) else { continue };
                    if letter.is_some() {
                        out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
                        out.extend(Some(b' ').filter(|_| !children.is_empty()));
                    }
                    match children.as_slice() {
                        [only] => steps.push(Step::Members(*only)),
                        several => steps.extend(several.iter().rev().map(|child| Step::Open(*child))),
                    }
                }
            }
        }
    }

    /// ORDEREDSUBJECT: one thread a base subject, of which all messages answer the first.
    pub(super) fn ordered_subject(letters: &[Letter]) -> Self {
        let mut forest = Self { nodes: nodes(letters), roots: Vec::new() };
        let mut order: Vec<usize> = (0..letters.len()).collect();
        let key = |letter: usize| letters.get(letter).map(|l| (l.subject.as_str(), l.sent, letter));
        order.sort_unstable_by_key(|letter| key(*letter));
        let subject = |letter: &usize| letters.get(*letter).map(|l| l.subject.as_str());
        for thread in order.chunk_by(|a, b| subject(a) == subject(b)) {
            let Some((first, rest)) = thread.split_first() else { continue };
            forest.roots.push(*first);
            forest.nodes[*first].children = rest.to_vec();
        }
        let mut roots = std::mem::take(&mut forest.roots);
        roots.sort_by_key(|root| forest.date(letters, *root));
        Self { roots, ..forest }
    }

    /// REFERENCES: by Message-ID, and then by subject.
    pub(super) fn references(letters: &[Letter]) -> Self {
        let mut forest = Self { nodes: nodes(letters), roots: Vec::new() };
        forest.link(letters);
        forest.prune();
        forest.sort_roots(letters);
        forest.gather(letters);
        forest.sort_all(letters);
        forest
    }

    /// Step 1: links every message to what it refers to.
    fn link(&mut self, letters: &[Letter]) {
        let mut by_id: HashMap<&[u8], usize> = HashMap::with_capacity(letters.len());
        for (index, letter) in letters.iter().enumerate() {
            // Of several messages with one Message-ID the first has it; the others are as if they had none.
            if let Some(id) = &letter.id {
                by_id.entry(id).or_insert(index);
            }
        }
        for (index, letter) in letters.iter().enumerate() {
            let mut last = None;
            for id in &letter.references {
                let node = *by_id.entry(id).or_insert_with(|| {
                    self.nodes.push(Node::default());
                    self.nodes.len() - 1
                });
                if let Some(parent) = last.filter(|_| self.nodes[node].parent.is_none()) {
                    self.adopt(parent, node);
                }
                last = Some(node);
            }
            // The references of the message itself tell better than those of others, which may be cut short.
            self.nodes[index].parent = None;
            if let Some(parent) = last {
                self.adopt(parent, index);
            }
        }
        for node in 0..self.nodes.len() {
            match self.nodes[node].parent {
                Some(parent) => self.nodes[parent].children.push(node),
                // Step 2.
                None => self.roots.push(node),
            }
        }
    }

    /// Makes one the parent of the other, unless that made a loop. The other has no parent.
    fn adopt(&mut self, parent: usize, child: usize) {
        // Without this the way up would be gone for every message of a long thread.
        let mut above = Some(parent).filter(|_| self.nodes[child].is_parent || parent == child);
        while let Some(node) = above {
            if node == child {
                return;
            }
            above = self.nodes[node].parent;
        }
        self.nodes[child].parent = Some(parent);
        self.nodes[parent].is_parent = true;
    }

    /// Step 3: takes out the dummies, but for those at the top that hold several threads together.
    fn prune(&mut self) {
        for node in self.bottom_up() {
            let children = std::mem::take(&mut self.nodes[node].children);
            let mut kept: Vec<usize> = Vec::with_capacity(children.len());
            for child in children {
                if self.nodes[child].letter.is_some() {
                    kept.push(child);
                } else if kept.is_empty() {
                    // A long line of dummies hands its children up without copying them.
                    kept = std::mem::take(&mut self.nodes[child].children);
                } else {
                    kept.append(&mut self.nodes[child].children);
                }
            }
            self.nodes[node].children = kept;
        }
        let mut roots = std::mem::take(&mut self.roots);
        roots.retain_mut(|root| {
            let Node { letter, children, .. } = &self.nodes[*root];
            match (letter, children.as_slice()) {
                (None, []) => return false,
                (None, [only]) => *root = *only,
                _ => {}
            }
            true
        });
        for root in &roots {
            self.nodes[*root].parent = None;
        }
        self.roots = roots;
    }

    /// Step 4.
    fn sort_roots(&mut self, letters: &[Letter]) {
        let mut roots = std::mem::take(&mut self.roots);
        for root in &roots {
            if self.nodes[*root].letter.is_none() {
                self.sort_children(letters, *root);
            }
        }
        roots.sort_by_key(|root| self.date(letters, *root));
        self.roots = roots;
    }

    /// Step 5: puts threads with the same base subject together.
    fn gather(&mut self, letters: &[Letter]) {
        let roots = std::mem::take(&mut self.roots);
        let mut table: HashMap<&str, usize> = HashMap::with_capacity(roots.len());
        for root in &roots {
            let Some(letter) = self.first_letter(letters, *root).filter(|l| !l.subject.is_empty()) else { continue };
            match table.entry(&letter.subject) {
                Entry::Vacant(vacant) => {
                    vacant.insert(*root);
                }
                Entry::Occupied(mut occupied) => {
                    let there = *occupied.get();
                    let is_better = self.is_dummy(*root) || (self.is_reply(letters, there) && !letter.is_reply);
                    if !self.is_dummy(there) && is_better {
                        occupied.insert(*root);
                    }
                }
            }
        }
        let mut gathered = Vec::with_capacity(roots.len());
        for root in roots {
            let subject = self.first_letter(letters, root).map_or("", |letter| letter.subject.as_str());
            let Some(entry) = table.get_mut(subject).filter(|_| !subject.is_empty()) else {
                gathered.push(root);
                continue;
            };
            if *entry == root {
                gathered.push(root);
            } else if self.nodes[root].parent.is_none() {
                *entry = self.merge(letters, *entry, root, &mut gathered);
            }
        }
        // What has become a child of another is not at the top any more.
        gathered.retain(|root| self.nodes[*root].parent.is_none());
        self.roots = gathered;
    }

    /// Merges the thread `root` with that of the subject table; what is to be in the table thereafter.
    fn merge(&mut self, letters: &[Letter], there: usize, root: usize, gathered: &mut Vec<usize>) -> usize {
        if self.is_dummy(there) && self.is_dummy(root) {
            let children = std::mem::take(&mut self.nodes[root].children);
            self.nodes[there].children.extend(children);
            self.nodes[root].parent = Some(there);
        } else if self.is_dummy(there) || (self.is_reply(letters, root) && !self.is_reply(letters, there)) {
            self.nodes[there].children.push(root);
            self.nodes[root].parent = Some(there);
        } else {
            let dummy = self.nodes.len();
            self.nodes.push(Node { children: vec![there, root], ..Node::default() });
            self.nodes[there].parent = Some(dummy);
            self.nodes[root].parent = Some(dummy);
            gathered.push(dummy);
            return dummy;
        }
        there
    }

    /// Step 6: every set of siblings by date, the youngest sets first.
    fn sort_all(&mut self, letters: &[Letter]) {
        for node in self.bottom_up() {
            self.sort_children(letters, node);
        }
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_key(|root| self.date(letters, *root));
        self.roots = roots;
    }

    fn sort_children(&mut self, letters: &[Letter], node: usize) {
        let mut children = std::mem::take(&mut self.nodes[node].children);
        children.sort_by_key(|child| self.date(letters, *child));
        self.nodes[node].children = children;
    }

    /// All that is below the roots, and these, every node after its children.
    fn bottom_up(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut next = self.roots.clone();
        while let Some(node) = next.pop() {
            order.push(node);
            next.extend(&self.nodes[node].children);
        }
        order.reverse();
        order
    }

    /// What a node is sorted by: its sent date, and for equal ones its place in the mailbox. A dummy is sorted by its first
    /// child.
    fn date(&self, letters: &[Letter], node: usize) -> (i64, usize) {
        let node = &self.nodes[node];
        let index = node.letter.or_else(|| self.nodes[*node.children.first()?].letter).unwrap_or(usize::MAX);
        (letters.get(index).map_or(i64::MAX, |letter| letter.sent), index)
    }

    /// The message, or the first child of a dummy.
    fn first_letter<'l>(&self, letters: &'l [Letter], node: usize) -> Option<&'l Letter> {
        letters.get(self.date(letters, node).1)
    }

    fn is_dummy(&self, node: usize) -> bool {
        self.nodes[node].letter.is_none()
    }

    fn is_reply(&self, letters: &[Letter], node: usize) -> bool {
        self.first_letter(letters, node).is_some_and(|letter| letter.is_reply)
    }
}

enum Step {
    Open(usize),
    Members(usize),
    Close,
}

/// One node a letter.
fn nodes(letters: &[Letter]) -> Vec<Node> {
    let number =
        |(index, letter): (usize, &Letter)| Node { letter: Some(index), number: letter.number, ..Node::default() };
    letters.iter().enumerate().map(number).collect()
}

#[cfg(test)]
mod tests;
