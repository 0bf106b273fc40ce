// swift-tools-version: 6.2
import PackageDescription

// One list for every target: Swift 6 mode, imports that say what they use, and warnings that are errors.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

// How the released command is linked. libstdc++ and libgcc, which Swift's static library needs, are archives too:
// loading and relocating them took a quarter of the time of a `get`. (`Sources/mneme/link` says how.) It is at a
// fixed address: to move its tables took another tenth. Stack, heap and libraries are still where nobody knows.
let linking = [
  "-L\(Context.packageDirectory)/Sources/mneme/link", "-Xclang-linker", "-static-libgcc",
  "-Xclang-linker", "-no-pie", "-Xlinker", "--no-export-dynamic",
]

let package = Package(
  name: "mneme",
  products: [
    .library(name: "Mneme", targets: ["Mneme"]),
    .library(name: "MnemeAsync", targets: ["MnemeAsync"]),
    .library(name: "MnemeRedis", targets: ["MnemeRedis"]),
    .library(name: "MnemeEmbedders", targets: ["MnemeEmbedders"]),
    .library(name: "StoreConformance", targets: ["StoreConformance"]),
    .executable(name: "mneme", targets: ["mneme"]),
  ],
  traits: [
    .trait(name: "Redis", description: "RedisStore, and with it hiredis"),
    .default(enabledTraits: ["Redis"]),
  ],
  targets: [
    // C libraries are linked as archives: each shared one costs every start of the command
    // a quarter of a millisecond.
    .systemLibrary(name: "CTextLibraries", providers: [.apt(["libutf8proc-dev", "libmd-dev"])]),
    .target(
      name: "CHiredis",
      cSettings: [.define("MNEME_REDIS", .when(traits: ["Redis"]))],
      linkerSettings: [.linkedLibrary(":libhiredis.a", .when(traits: ["Redis"]))]),

    // Dot products, compiled for several instruction sets.
    .target(name: "CVector"),
    // OpenSSL, libcurl and SQLite, which are loaded at run time.
    .target(name: "CRuntimeLibraries"),
    // System calls that Swift cannot make.
    .target(name: "CProcess"),

    .target(name: "CommandGrammar", swiftSettings: settings),
    // The parts of the grammar that only tests and the generator need: the command does not link them.
    .target(name: "GrammarTools", dependencies: ["CommandGrammar"], swiftSettings: settings),
    // Writes man/ and completions/ again: `swift run generate-files`.
    .executableTarget(
      name: "generate-files", dependencies: ["CommandGrammar", "GrammarTools", "MnemeCLI"],
      swiftSettings: settings),
    .target(
      name: "Mneme",
      dependencies: ["CTextLibraries", "CVector"],
      swiftSettings: settings,
      linkerSettings: [.linkedLibrary(":libutf8proc.a"), .linkedLibrary(":libmd.a"), .linkedLibrary("m")]),
    // A module of its own: Swift's concurrency would cost each start of the command, which does not use it.
    .target(name: "MnemeAsync", dependencies: ["Mneme"], swiftSettings: settings),
    .target(
      name: "MnemeRedis",
      dependencies: ["Mneme", "CHiredis", "CRuntimeLibraries"],
      swiftSettings: settings),
    .target(name: "MnemeEmbedders", dependencies: ["CRuntimeLibraries", "Mneme"], swiftSettings: settings),
    .target(
      name: "MnemeCLI",
      dependencies: [
        "CommandGrammar", "CProcess", "CRuntimeLibraries", "CTextLibraries", "Mneme", "MnemeRedis",
        "MnemeEmbedders",
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "mneme", dependencies: ["MnemeCLI"], exclude: ["link"], swiftSettings: settings,
      linkerSettings: [.unsafeFlags(linking, .when(configuration: .release))]),

    // Searches in process, for `Tests/benchmark`.
    .executableTarget(
      name: "search-benchmark", dependencies: ["Mneme"], path: "Tests/Benchmark/search",
      swiftSettings: settings),
    // A test target, although it has no tests: other builds leave it out, and Swift's static library has no module
    // `Testing` to import.
    .testTarget(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    .target(
      name: "StoreConformance", dependencies: ["Mneme"], path: "Tests/StoreConformance",
      swiftSettings: settings),
    .testTarget(
      name: "CommandGrammarTests", dependencies: ["CommandGrammar", "GrammarTools", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "MnemeTests",
      dependencies: ["CVector", "Mneme", "StoreConformance", "TestSupport"],
      exclude: ["Fixtures"],
      swiftSettings: settings),
    .testTarget(
      name: "MnemeAsyncTests", dependencies: ["Mneme", "MnemeAsync", "MnemeRedis", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "MnemeEmbeddersTests", dependencies: ["MnemeEmbedders", "Mneme"], swiftSettings: settings),
    .testTarget(
      name: "MnemeRedisTests",
      dependencies: ["MnemeRedis", "Mneme", "StoreConformance", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "MnemeCLITests",
      dependencies: ["MnemeCLI", "CommandGrammar", "GrammarTools", "Mneme", "MnemeRedis", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "FaultTests", dependencies: ["Mneme", "MnemeRedis", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "EndToEndTests", dependencies: ["TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "InteropTests", dependencies: ["CTextLibraries", "Mneme", "MnemeRedis", "TestSupport"],
      swiftSettings: settings),
  ]
)

// `MNEME_TESTS=EndToEndTests,MnemeTests`: the test targets to build. All of them take most of a build.
if let chosen = Context.environment["MNEME_TESTS"]?.split(separator: ",").map(String.init) {
  package.targets.removeAll { $0.type == .test && !(["TestSupport"] + chosen).contains($0.name) }
}

// The fuzz targets, which `Tests/fuzz` alone builds: libFuzzer is not part of every toolchain, and is linked by its path.
if Context.environment["MNEME_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz",
      dependencies: ["CHiredis", "CommandGrammar", "Mneme", "MnemeCLI", "MnemeEmbedders", "MnemeRedis"],
      path: "Tests/Fuzz", exclude: ["corpus"], swiftSettings: settings,
      linkerSettings: [.linkedLibrary("stdc++")]))
}
