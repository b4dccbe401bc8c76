BEGIN TRANSACTION;
CREATE TABLE jobs (
	seq INTEGER NOT NULL, 
	job_id VARCHAR(26) NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	module VARCHAR(128) NOT NULL, 
	source BLOB NOT NULL, 
	source_sha256 VARCHAR(64) NOT NULL, 
	arguments TEXT NOT NULL, 
	stdin BOOLEAN NOT NULL, 
	user VARCHAR(64) NOT NULL, 
	run_as VARCHAR(64) NOT NULL, 
	origin VARCHAR(128) NOT NULL, 
	overlap VARCHAR(8) NOT NULL, 
	wait_for_s FLOAT NOT NULL, 
	start_within_s FLOAT NOT NULL, 
	max_runtime_s FLOAT NOT NULL, 
	grace_s FLOAT NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	boot_id VARCHAR(36) NOT NULL, 
	accepted_at FLOAT NOT NULL, 
	accepted_up FLOAT NOT NULL, 
	started_at FLOAT, 
	ended_at FLOAT, 
	cancel TEXT NOT NULL, 
	ending VARCHAR(16) NOT NULL, 
	code INTEGER, 
	reason TEXT NOT NULL, 
	duration_s FLOAT, 
	written TEXT NOT NULL, 
	dropped TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (job_id)
);
INSERT INTO "jobs" VALUES(1,'01M80HWWFPSR2SZN868KXBNPGW','nightly','code','',X'0070617373FF','0000000000000000000000000000000000000000000000000000000000000000','[]',0,'anna','','here','allow',-1.0,-1.0,-1.0,-1.0,'ended','this',1000.0,5.0,1000.0,2000.0,'','status',0,'',1.5,'{}','{"stdout": 7}');
INSERT INTO "jobs" VALUES(2,'01M80HWWFTFZ40HE8VRS5GFM6G','nightly','code','',X'0070617373FF','0000000000000000000000000000000000000000000000000000000000000000','[]',0,'anna','','here','wait',-1.0,-1.0,-1.0,-1.0,'waiting','this',1000.0,5.0,NULL,NULL,'','',NULL,'',NULL,'{}','{}');
CREATE TABLE names (
	name VARCHAR(128) NOT NULL, 
	last_job_id VARCHAR(26) NOT NULL, 
	last_state VARCHAR(8) NOT NULL, 
	last_ended_at FLOAT, 
	last_success_at FLOAT, 
	last_duration_s FLOAT, 
	failures INTEGER NOT NULL, 
	ended INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	stopped INTEGER NOT NULL, 
	lost INTEGER NOT NULL, 
	skipped INTEGER NOT NULL, 
	told VARCHAR(16) NOT NULL, 
	skip_told_at FLOAT, 
	skips_untold INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE notices (
	id INTEGER NOT NULL, 
	job_id VARCHAR(26) NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	event VARCHAR(16) NOT NULL, 
	action TEXT NOT NULL, 
	body TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	due_at FLOAT NOT NULL, 
	attempts INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(1);
CREATE INDEX jobs_name ON jobs (name, seq);
CREATE INDEX jobs_ended ON jobs (ended_at);
CREATE INDEX jobs_state ON jobs (state, name);
CREATE INDEX jobs_user ON jobs (user, seq);
CREATE INDEX notices_due ON notices (due_at);
COMMIT;
