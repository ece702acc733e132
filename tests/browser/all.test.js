// All tests in one process: they share one server and one browser.

import './test/call.test.js';
import './test/bare.test.js';
import './test/codecs.test.js';
import './test/turn.test.js';
import './test/refusal.test.js';
import './test/keyboard.test.js';
import './test/layers.test.js';
import './test/stage.test.js';
import './test/moderation.test.js';
import './test/statistics.test.js';
import './test/resume.test.js';
import './test/settings.test.js';
import './test/whip.test.js';
