use proptest::prelude::*;

use super::*;

fn place(key: &str, uid: u32) -> Place {
    Place { key: key.as_bytes().into(), uid }
}

fn all() -> SearchKey {
    SearchKey::And(Vec::new())
}

fn set(uids: &[u32]) -> UidSet {
    uids.iter().map(|uid| (*uid, *uid)).collect()
}

fn order(places: &[Place]) -> Order {
    let mut order = Order { criteria: Vec::new(), places: Vec::new(), octets: 0 };
    order.insert(places.to_vec());
    order
}

/// RFC 5267 section 4.3.3: of three equivalent forms the one pair is preferred.
#[test]
fn neighbours_enter_and_leave_together() {
    let mut result = order(&[place("d", 2734), place("d", 2735)]);
    let new = vec![place("d", 2732), place("d", 2731), place("d", 2733)];
    assert_eq!(result.insert(new), [(1, vec![2731, 2732, 2733])]);
    assert_eq!(result.remove(&set(&[2732, 2733, 2735])), [(2, vec![2732, 2733]), (3, vec![2735])]);
    assert_eq!(result.insert(vec![place("z", 1), place("c", 9)]), [(1, vec![9]), (4, vec![1])]);
}

#[test]
fn contexts_are_limited_in_number_and_room() {
    let context = |tag: &str, found| SearchContext::searched(tag.as_bytes(), true, all(), 0, found);
    let one = context("x", set(&[1])).octets();
    let mut contexts = Contexts::new(one * MAX_CONTEXTS + 8);
    for n in 0..MAX_CONTEXTS {
        assert_eq!(contexts.add(context(&n.to_string(), set(&[1]))), Ok(()));
    }
    assert_eq!(contexts.add(context("one more", set(&[]))), Err(Refused));
    assert_eq!(contexts.cancel(&[b"0".to_vec(), b"none".to_vec()]), Err(Refused));
    assert!(contexts.has(b"0"));
    assert_eq!(contexts.cancel(&[b"0".to_vec(), b"1".to_vec()]), Ok(()));
    assert!(!contexts.has(b"0") && contexts.has(b"2"));
    // What is left: the room of two, and of one range more.
    assert_eq!(contexts.add(context("large", (1..=200).map(|n| (n * 2, n * 2)).collect())), Err(Refused));
    assert_eq!(contexts.add(context("a", set(&[1, 3]))), Ok(()));
    assert_eq!(contexts.add(context("b", set(&[1, 3]))), Err(Refused));
    assert_eq!(contexts.add(context("b", set(&[1]))), Ok(()));
    assert!(!contexts.is_too_large());
}

#[test]
fn the_room_of_a_sorted_result_is_that_of_its_keys_too() {
    let mut result = order(&[place("abc", 1), place("de", 2)]);
    assert_eq!(result.octets, 5);
    result.remove(&set(&[1]));
    assert_eq!(result.octets, 2);
    result.insert(vec![place("fghi", 3)]);
    assert_eq!(result.octets, 6);
}

proptest! {
    /// A client that takes every pair at its word has the messages in their order.
    #[test]
    fn pairs_in_turn_make_the_new_order(
        before in prop::collection::btree_map(1..100_u32, "[a-d]{0,2}", 0..40),
        gone in prop::collection::btree_set(1..100_u32, 0..40),
        new in prop::collection::btree_map(100..200_u32, "[a-d]{0,2}", 0..40),
    ) {
        let places = |of: &std::collections::BTreeMap<u32, String>| -> Vec<Place> {
            of.iter().map(|(uid, key)| place(key, *uid)).collect()
        };
        let mut result = order(&places(&before));
        let mut client: Vec<u32> = result.places.iter().map(|place| place.uid).collect();
        for (position, uids) in result.remove(&gone.iter().map(|uid| (*uid, *uid)).collect()) {
            let at = position as usize - 1;
            let removed: Vec<u32> = client.drain(at..at + uids.len()).collect();
            prop_assert_eq!(removed, uids);
        }
        for (position, uids) in result.insert(places(&new)) {
            let at = position as usize - 1;
            client.splice(at..at, uids);
        }
        let mut want: Vec<Place> = places(&before).into_iter().filter(|place| !gone.contains(&place.uid)).collect();
        want.extend(places(&new));
        want.sort();
        prop_assert_eq!(&result.places, &want);
        prop_assert_eq!(client, want.iter().map(|place| place.uid).collect::<Vec<_>>());
    }
}
