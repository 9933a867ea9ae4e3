//! Search strategies: each is deterministic and sound, and the portfolio is made of all of them.

use std::sync::Arc;

use sim::{Config, Order, Outcome};
use sim_storage::fault::FaultKind;
use vopr::campaign::{self, Campaign, Determinism, Seeding, Summary, Unwatched};
use vopr::strategy::Strategy;
use vopr::swarm::{Blow, REQUEST_FAULTS, SwarmOptions, WorldOptions, draw_world};
use vopr::systems::ManifestSystem;

use crate::{stdout, vopr};

fn campaign(strategy: Option<Strategy>, iterations: u64, operations: Option<u32>) -> Campaign {
    vopr::cli::listen_to_steps();
    Campaign {
        first_seed: 42,
        iterations,
        system: Arc::new(ManifestSystem::sound()),
        swarm: SwarmOptions { strategy, operations, ..SwarmOptions::default() },
        determinism: Determinism::Assumed,
        seeding: Seeding::InTurn,
    }
}

fn run(strategy: Option<Strategy>, iterations: u64, operations: Option<u32>) -> Summary {
    campaign::run(&campaign(strategy, iterations, operations), 2, &Unwatched)
}

#[test]
fn every_strategy_is_deterministic_for_any_number_of_workers() {
    for strategy in Strategy::ALL {
        let mut campaign = campaign(Some(strategy), 40, None);
        campaign.determinism = Determinism::Checked;
        let one = campaign::run(&campaign, 1, &Unwatched);
        let three = campaign::run(&campaign, 3, &Unwatched);
        assert!(one.passed(), "{}: {:?}", strategy.name(), one.failures);
        assert_eq!(one, three, "{}", strategy.name());
        assert_eq!(one.searched.keys().copied().collect::<Vec<_>>(), [strategy]);
    }
}

#[test]
fn no_strategy_accuses_sound_code() {
    for strategy in Strategy::ALL {
        let summary = run(Some(strategy), 150, None);
        assert!(summary.passed(), "{}: {:?}", strategy.name(), summary.failures);
    }
}

#[test]
fn strategies_make_different_runs_of_one_seed() {
    let prints = Strategy::ALL.map(|strategy| run(Some(strategy), 5, None).fingerprint);
    let mut distinct = prints.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), Strategy::ALL.len(), "{prints:?}");
}

#[test]
fn the_portfolio_draws_every_strategy_by_its_share() {
    let seeds = 1500;
    let summary = run(None, seeds, Some(3));
    assert!(summary.passed(), "{:?}", summary.failures);
    for strategy in Strategy::ALL {
        let share = summary.searched[&strategy].seeds * 100 / seeds;
        let expected = u64::from(strategy.share_percent());
        assert!(share.abs_diff(expected) <= 4, "{}: {share} %", strategy.name());
    }
}

#[test]
fn behaviours_are_counted_once_and_add_up_over_strategies() {
    let summary = run(None, 300, Some(2));
    let all = summary.behaviours().count();
    let apart = summary.searched.values().map(|searched| searched.behaviours.count());
    let (most, sum) = (apart.clone().max().unwrap_or(0), apart.sum());
    assert!(most <= all && all <= sum && sum <= summary.seeds, "{most} {all} {sum}");
    assert!(all > summary.seeds / 2, "worlds differ: {all}");
    let again = summary.clone().merge(run(None, 300, Some(2)));
    assert_eq!(again.behaviours().count(), all, "the same worlds behave the same");
}

/// The options of the world of `seed`.
fn options(seed: u64, strategy: Strategy) -> WorldOptions {
    let outcome = sim::run(&Config::new(seed), move || async move {
        let swarm = SwarmOptions { strategy: Some(strategy), ..SwarmOptions::default() };
        draw_world(&seed.into(), &ManifestSystem::sound(), &swarm)
    });
    match outcome {
        Outcome::Done(options) => options,
        other => panic!("seed {seed}: {other:?}"),
    }
}

fn kinds_of_faults(options: &WorldOptions) -> Vec<FaultKind> {
    REQUEST_FAULTS.into_iter().filter(|kind| options.rates.rate(*kind) > 0).collect()
}

#[test]
fn a_stalling_world_is_calm_but_for_aimed_blows() {
    let mut calm = 0;
    for seed in 0..400 {
        let options = options(seed, Strategy::Stall);
        let kinds = kinds_of_faults(&options);
        assert!(kinds.len() <= 1, "seed {seed}: {kinds:?}");
        calm += u32::from(kinds.is_empty());
        assert_eq!(options.schedule.order, Order::Timed);
        assert_eq!(options.give_up_ppm, 0);
        let aimed = |blow: &Blow| matches!(blow, Blow::AtStep { .. });
        assert!(options.blows.iter().any(|planned| aimed(&planned.blow)), "seed {seed}");
        let usual = |blow: &Blow| matches!(blow, Blow::Twin | Blow::Crash { .. });
        assert!(options.blows.iter().all(|it| aimed(&it.blow) || usual(&it.blow)), "seed {seed}");
    }
    assert!((150..300).contains(&calm), "{calm} of 400 worlds have no request faults");
}

#[test]
fn the_order_is_drawn_beside_the_world_and_bounded_by_a_window() {
    for seed in 0..400 {
        let timed = options(seed, Strategy::Timed);
        for strategy in [Strategy::Walk, Strategy::Pct, Strategy::Pos, Strategy::Surw] {
            let options = options(seed, strategy);
            assert_eq!(kinds_of_faults(&options), kinds_of_faults(&timed), "seed {seed}");
            assert_eq!(options.operations, timed.operations);
            assert_eq!((options.writers, options.readers), (timed.writers, timed.readers));
            let typical = options.tuning.typical_request;
            let window = options.schedule.window;
            assert!(window >= typical * 4 && window <= typical * 200, "seed {seed}: {window:?}");
            if let Order::Pct { depth } = options.schedule.order {
                assert!((1..=5).contains(&depth));
            }
        }
    }
}

#[test]
fn a_failure_says_under_which_strategy_it_is_replayed() {
    let bug = ["--bug", "blind-head-put", "--seed", "1", "-n", "30"];
    let walk = stdout(&vopr(&[&bug[..], &["--strategy", "walk"]].concat()));
    assert!(walk.contains("--bug blind-head-put --strategy walk\n"), "{walk}");
    assert!(walk.contains("seeds by strategy:  walk 30\n"), "{walk}");
    let next = walk.lines().find_map(|line| line.trim().strip_prefix("next    vopr "));
    let arguments: Vec<&str> = next.expect("a command to paste").split(' ').collect();
    let replayed = stdout(&vopr(&arguments));
    assert!(replayed.contains("FAIL   seed"), "{replayed}");
    assert!(replayed.contains("strategy walk (Walk, window "), "{replayed}");
    let drawn = stdout(&vopr(&bug));
    assert!(!drawn.contains("--strategy"), "{drawn}");
}

#[test]
fn help_says_in_a_line_what_each_strategy_does() {
    let help = stdout(&vopr(&["run", "--help"]));
    for strategy in Strategy::ALL {
        let head = format!("- {}:", strategy.name());
        let line = help.lines().find(|line| line.trim().starts_with(&head));
        assert!(
            line.is_some_and(|line| line.len() > head.len() + 30),
            "{}: {help}",
            strategy.name()
        );
    }
}
