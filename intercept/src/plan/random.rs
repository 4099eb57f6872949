//! Draws plans from a seed.

use super::case::{Base, Case, Handle};
use super::instruction::Instruction;
use harness::Draw;

fn pick(draw: &mut Draw, values: &[u64]) -> u64 {
    let index = draw.below(values.len() as u64);
    usize::try_from(index)
        .ok()
        .and_then(|index| values.get(index))
        .copied()
        .unwrap_or(0)
}

const LENGTHS: [u64; 16] = [1, 2, 3, 4, 7, 8, 9, 12, 16, 24, 32, 64, 128, 136, 256, 4096];
const GAPS: [u64; 10] = [0, 0, 1, 4, 7, 8, 16, 4080, 4088, 4095];

pub(super) fn cases(count: usize, seed: u64) -> Vec<Case> {
    let mut draw = Draw::new(seed);
    (0..count).map(|index| case(&mut draw, index)).collect()
}

fn case(draw: &mut Draw, index: usize) -> Case {
    let space = if draw.below(2) == 0 { 0 } else { 2 };
    let instruction = match draw.below(4) {
        0 | 1 => Instruction::Pcistb,
        2 => Instruction::Pcistg,
        _ => Instruction::Pcilg,
    };
    let mut case = Case::new(
        format!("random-{index}-{}", instruction.name()),
        "random",
        instruction,
    );
    case.space = space;
    let room = if space == 0 {
        case.base = Base::Dmb;
        0xf000
    } else {
        // After the command window, where a random pattern is no command.
        case.offset = 0x200;
        0xe00
    };
    case.offset += (draw.below(room) & !7).min(room - 8) + draw.below(2) * draw.below(8);
    case.length = if instruction == Instruction::Pcistb {
        let short = draw.below(600);
        let drawn = pick(draw, &LENGTHS);
        if draw.below(3) == 0 { 1 + short } else { drawn }
    } else {
        1 + draw.below(8)
    };
    if instruction == Instruction::Pcistb {
        case.source = u16::try_from(pick(draw, &GAPS)).unwrap_or(0);
    }
    if draw.below(25) == 0 {
        case.handle = Handle::Disabled;
    }
    case
}

#[cfg(test)]
mod tests {
    use super::super::Plan;

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        assert_eq!(Plan::random(200, 7), Plan::random(200, 7));
        assert_ne!(Plan::random(200, 7), Plan::random(200, 8));
    }

    #[test]
    fn random_plans_are_valid() {
        for seed in 0..50 {
            let plan = Plan::random(300, seed);
            assert_eq!(plan.check(), Ok(()));
            assert_eq!(plan.cases.len(), 300);
        }
    }
}
