/// A step that can be taken against an error: a closed list.
///
/// The texts do not name options, commands or environment variables, which belong to the program that uses the library.
/// Such a program words each step itself with a `switch`, and takes names from the error's `object`.
public enum Remedy: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  // Reaching a server.
  case rewriteURL = "Write it as redis://[[user]:password@]host[:port][/db], rediss:// or unix://."
  case useSentinelURL = "Write the URL as redis+sentinel://host:26379/service."
  case checkSentinelService =
    "Check the name of the service: 'SENTINEL MASTERS' lists the services that it monitors."
  case checkHostName = "Check the host in the URL and the name service of this machine."
  case checkServer = "Check that Redis is up, and the URL."
  case startServer = "Check that Redis is up and listens there (its 'bind' and 'port' settings)."
  case checkSocket = "Check the path in the URL, and that Redis is up and has this 'unixsocket'."
  case checkSocketPermissions = "Check the permissions of the socket: the 'unixsocketperm' setting of Redis."
  case checkNetwork = "Check the host, the port and the firewalls in between, or allow more time to connect."
  case checkListener =
    "Check that a Redis listens there and is not stuck. A TLS port needs rediss:// in the URL."
  case checkTLSPort = "Check that the port is one for TLS. A Redis without TLS needs redis:// in the URL."
  case useTLS = "The port speaks TLS. Use rediss:// in the URL."
  case checkPort = "A web server answers there. Check the port in the URL."
  case checkURL = "Check that the URL is that of a Redis, and that nothing in between changes its answers."
  case repeatCommand = "Check whether Redis is up, and do it again."
  case verifyAndRepeat =
    "Check whether Redis is up, look at what is stored, and do it again where it is missing."
  case raiseServerLimits =
    "Do it again. If it fails again, raise the server's limits: client-output-buffer-limit, maxmemory-clients, proto-max-bulk-len."
  case allowMoreTime = "Check what keeps the server busy, or allow more time for a command."
  case buildWithRedis = "Build with the package trait Redis (it is on by default) and libhiredis-dev."

  // TLS.
  case installOpenSSL = "Install OpenSSL 3 or 1.1 (package libssl3 on Debian and Ubuntu)."
  case checkTLSFile = "Check that it is readable, is PEM, has the right content, and needs no pass phrase."
  case renewCertificate = "Renew the server's certificate, or set the clock of this machine."
  case useCertificateName = "Use a host in the URL that the certificate names."
  case trustAuthority =
    "Check the host in the URL. If the server has its own certificate authority, trust that."
  case provideClientCertificate = "Provide the client certificate and key that the server asks for."
  case checkTLSHandshake =
    "The server may require a client certificate, or accept none of the ciphers that this machine has."

  // Errors from a server.
  case readServerLog = "See the cause. The server's log may say more."
  case providePassword = "Provide a password."
  case checkPassword = "Check user and password. A server without a password accepts none."
  case provideSentinelPassword =
    "Add the user and the password of the Sentinels to the URL: ?sentinel_username=USER&sentinel_password=PASSWORD"
  case grantRight = "Grant the user the right to this command."
  case enableCommand = "Enable it: a 'rename-command' in redis.conf, or the service, has disabled it."
  case leaveProtectedMode =
    "Give the server a password or a 'bind' address, or connect from its own machine."
  case tryLater = "Try again later."
  case endScript = "Wait for the script, or end it."
  case waitForPrimary = "Wait until the link is back, or connect to the primary."
  case waitForReplicas = "Wait until its replicas are back."
  case waitForClients = "If it has too many clients, wait for some to leave or raise its 'maxclients'."
  case checkCluster = "Look at the state of the cluster, and try again."
  case checkClusterSlots = "Check which node of the cluster serves each slot."
  case makeRoom = "Remove entries, which works on a full server, or raise maxmemory."
  case usePrimary = "Connect to the primary."
  case freeDisk = "Free the disk, or look at the server's log."
  case readServerLogForCommand = "Nothing was written. See the server's log for the command."
  case tagKeyPrefix = "Use a key prefix with a hash tag, such as '{mneme}'."
  case useLowerDatabase =
    "Use a lower number than the server's 'databases'. A cluster has only database 0."
  case reduceWriters = "Try again, or let fewer processes write the same entries at the same time."
  case findLostWrites = "Find out why it was restarted or replaced without its latest data."
  case repeatFromStart =
    "Find out why it was emptied, restarted or replaced, and do it again from the beginning."
  case stopWriters = "Stop the programs that write to the cache, and do it again."

  // Stored data.
  case useOtherPrefix = "Look at the key's type. If another program owns it, use another key prefix."
  case restoreNumber = "Look at the key, and restore the number or delete it."
  case lowerNumber = "Set it to a smaller number."
  case putAgain = "Put the response again, or delete the key."
  case setQuotaAgain = "Set it again."
  case setQuotaInRange = "Set a quota in that range, or remove the quota."
  case keepQuota =
    "None is needed: the number in quota: is in force. You can set another until the application starts again."
  case repairEntry = "Delete the entry, or repair the cache."
  case replaceEntry = "Delete the entry, and put its response again."
  case deleteOrDecode = "Delete the entry, or read it without decodeResponses."
  case removeEntryKey = "Look at the key. If it belongs to the cache, delete the entry."
  case deleteKey = "Look at the key. If it belongs to the cache, delete it, and repair the cache."
  case restoreMeta = "Restore the field to what the application that fills the cache uses."
  case removeLeftovers = "Remove the leftovers."
  case repair = "Repair the cache."
  case useNewerVersion = "Use the newer version that wrote it."
  case useCacheEmbedder = "Use the embedder that filled it, or embed its entries again in another cache."
  case useCopyEmbedder = "Continue it with that embedder, or remove it and begin again."
  case openWithEmbedder = "Open the store with the fingerprint and dimension of an embedder."
  case useEmptyPrefix = "Name a prefix that is empty."
  case emptyPrefix = "Name a prefix that is empty, or empty that one."
  case reduceConnections = "Use fewer connections, or allow this process more threads."
  case namePrefix = "Name one, such as 'mneme'."
  case reopen = "Open a new one."
  case exportEntries = "Export the entries, or use a store that outlives the process."
  case copySnapshot =
    "Run 'redis-cli BGSAVE', wait until 'redis-cli LASTSAVE' changes, and copy dump.rdb from Redis's directory."
  case replaceSnapshot =
    "Take the snapshot with 'redis-cli BGSAVE'. To restore it stop Redis, replace dump.rdb, and start Redis."

  // Errors in the caller's input.
  case shorten = "Shorten it."
  case nameNamespace = "Give it a name, or leave it out for 'default'."
  case writeObject = "Write a JSON object, such as {\"source\":\"faq\"}."
  case flatten = "Flatten it."
  case writeIntegerAsString = "Write it as a string."
  case makeQueryHash = "Make it with QueryNormalizer.queryHash, or as 64 lower-case hexadecimal digits."
  case storeAnswer = "Store the answer itself."
  case setTTLInRange = "Give 1 second to 100 years, or none for an entry that does not expire."
  case matchDimension = "Provide an embedding with as many numbers as those of the cache."
  case provideBothKinds = "Provide both paraphrases and distractors."
  case embedAgain = "Leave the embeddings out, so that the cache's embedder makes them."

  // Embedders.
  case checkEmbedder =
    "Check the embedder. It must give one vector of finite numbers, not all zero, for each text."
  case provideEmbedding = "Provide the embedding, or a program that makes such embeddings."
  case endInDimension = "End it in ':dimN', as in 'openai:text-embedding-3-small:dim1536'."
  case lowerDimension = "End it in ':dimN', with N at most 65536."
  case useModelDimension = "Name the dimension that the model has: a fingerprint ends in ':dimN'."
  case nameEmbedder = "Name the embedder of the vectors, as in 'command:my-model:dim384'."
  case omitText = "The embedder cannot place this text. Store it with another embedder, or leave it out."
  case writeVector = "A vector is a JSON array of numbers, such as [0.1, 0.2]."
  case writeTextAndVector = "Write {\"text\":\"one question\",\"embedding\":[0.1, 0.2]}."
  case addVector = "Add a line for it, and do it again."
  case checkShell = "Check that /bin/sh is there."
  case tryEmbedderByHand =
    "Run it by hand: it reads a JSON string from each line and writes an array of numbers on a line for each."
  case flushEmbedder =
    "Let it write each answer immediately (in Python: print(…, flush=True)), or allow more time."
  case checkEmbeddingURL = "Check that the URL is that of a server for embeddings."
  case numberVectors = "Check the server: it must number its vectors from 0, as the texts."
  case followRedirection = "The server is elsewhere. Use the URL that it moved to."
  case checkKey = "Check the API key and what it permits."
  case rewriteKey = "Provide the key alone."
  case provideKey = "Provide a key, or the URL of a server that needs none."
  case checkModel = "Check the URL, and that the server has the model."
  case checkModelAndText = "Check the model, its dimension, and the length of the text."
  case raiseRateLimit = "Try again later, or raise the server's limit."
  case readEmbedderLog = "Try again later. The server's own log says more."
  case installCurl = "Install libcurl (package libcurl4 on Debian and Ubuntu)."
  case rewriteEmbedderURL = "Write it as http://host:port or https://host."
  case encodeNumberSign = "Write a '#' that belongs to the URL as %23."
  case checkEmbedderPort = "Check the host and port: an older or another program listens there."
  case reachEmbedder = "Check that it runs there and that the network lets it be reached."
  case allowEmbedderMoreTime = "Try again later, or allow more time."
  case checkEmbedderCertificate = "Check its certificate and the authorities that this system trusts."
  case checkEmbedderServer = "Check the URL and the server."

  /// The step in the library's words. One line.
  public var description: String { rawValue }
}
